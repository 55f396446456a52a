/** @file What a gateway keeps of a person, as it tells others. */

import { parseJsonOrNull } from '../../../models/files/json-file.js';
import type { KeptOfPerson } from '../../messages/people.js';
import type { ServedGroup, VoteLine } from './desk.js';
import type { GroupBook } from './group-book.js';
import { groupRecordSchema, servedGroup, voteLineSchema } from './group-record.js';

export function keptOf(book: GroupBook, person: string): KeptOfPerson {
  return {
    groups: book.recordsOf(person).map(({ record, votes }) => ({ record: JSON.stringify(record), votes })),
    votes: book.votesBy(person).map((vote) => JSON.stringify(vote)),
  };
}

/** Reads what another gateway keeps; null where it is anything else. */
export function readKept(
  { groups, votes }: KeptOfPerson,
  person: string,
  finishedRounds: number,
): { readonly groups: readonly ServedGroup[]; readonly votes: readonly VoteLine[] } | null {
  const records = groups.map(({ record }) => groupRecordSchema.safeParse(parseJsonOrNull(record)));
  const lines = votes.map((vote) => voteLineSchema.safeParse(parseJsonOrNull(vote)));
  const isWhole =
    records.every(({ data }) => data?.requestedBy === person) &&
    lines.every(({ data }) => data?.voter === person);
  if (!isWhole) return null;
  return {
    groups: records.flatMap(({ data }, index) =>
      data ? [servedGroup(data, finishedRounds, groups[index]?.votes ?? 0)] : [],
    ),
    votes: lines.flatMap(({ data }) => (data ? [data] : [])),
  };
}
