/** @file What a gateway keeps of a group and of a vote, in memory and on disk. */

import * as z from 'zod';
import { forkStep } from '../../../models/rollouts/recorded-node.js';
import { judgmentFault } from '../../../operators/index.js';
import type { PartialRound } from '../../messages/messages.js';
import type { DrawnGroup, Feedback } from '../../messages/people.js';
import type { GroupState, ServedGroup, VoteLine } from './desk.js';

const count = z.int({ error: 'expected a whole number' }).min(0, { error: 'expected at least 0' });
const share = z.number({ error: 'expected a number' }).min(0).max(1, { error: 'expected at most 1' });
const text = z.string({ error: 'expected text' });

/** `group.json`. Fields are only ever added. */
export const groupRecordSchema = z.object({
  id: text,
  prompt: text,
  seed: count,
  /** ISO 8601. */
  createdAt: z.iso.datetime({ error: 'expected a time' }),
  requestedBy: text.nullable(),
  policyVersion: count,
  size: z.tuple([count, count]),
  pictures: count,
  tree: z.object({
    firstStep: count,
    numSteps: count,
    forkStep: count,
    trainedSteps: z.array(count),
    guesses: z.array(z.object({ step: count, node: count })),
  }),
  /** Which pictures a canary drew; the others are those of `policyVersion`. Null where it drew none. */
  comparison: z
    .object({ canary: count, pictures: z.array(count) })
    .nullable()
    .default(null),
  /** Null before people have decided. */
  decision: z
    .object({
      /** Counts the decisions of the store: groups get their places in this order. */
      order: count,
      votes: count,
      rewards: z.array(share),
      agreement: share,
    })
    .nullable(),
  /** Null unless it will never be trained on. */
  left: z.enum(['expired', 'stale', 'lost'], { error: 'expected expired, stale or lost' }).nullable(),
  /** Null before it has a place in one. */
  round: count.nullable(),
  /** Id of the ticket that gave it the place; null before, and where that was before ids were kept. */
  ticket: text.nullable().default(null),
});

export type GroupRecord = Readonly<z.output<typeof groupRecordSchema>>;

const judgment = z.union([
  z.strictObject({ best: count }),
  z.strictObject({ ranking: z.array(count) }),
  z.strictObject({ ratings: z.array(share) }),
  z.strictObject({ none: z.literal(true) }),
  z.strictObject({ skip: z.literal(true) }),
]);

export const voteLineSchema = z.object({ groupId: text, voter: text, judgment, at: text });

export function newRecord({ request, group, size, pictures, guesses, comparison }: DrawnGroup): GroupRecord {
  const { id, prompt, seed, requestedBy, requestedAt } = request;
  const { tree, interval, policyVersion } = group;
  return {
    ...{ id, prompt, seed, requestedBy, policyVersion },
    createdAt: new Date(requestedAt).toISOString(),
    size: [...size],
    pictures: pictures.length,
    tree: {
      firstStep: tree.firstStep,
      numSteps: interval.numSteps,
      forkStep: forkStep(tree),
      trainedSteps: [...interval.trainedSteps],
      guesses: guesses.map(({ step, node }) => ({ step, node })),
    },
    comparison: comparison ? { ...comparison, pictures: [...comparison.pictures] } : null,
    ...{ decision: null, left: null, round: null, ticket: null },
  };
}

export function voteLine({ groupId, voter, judgment, givenAt }: Feedback): VoteLine {
  return { groupId, voter, judgment, at: new Date(givenAt).toISOString() };
}

/** @param finishedRounds rounds of the run that are trained. */
export function stateOf({ decision, left, round }: GroupRecord, finishedRounds: number): GroupState {
  if (left !== null) return left;
  if (round !== null && round < finishedRounds) return 'trained';
  return decision === null ? 'waiting' : 'decided';
}

/**
 * Why a group that has its place in a closed round is not trained there; null where it is. Rounds that lack none of their groups
 * are not told.
 */
export function lossOf(
  { round, ticket, left }: GroupRecord,
  partial: ReadonlyMap<number, PartialRound>,
): GroupRecord['left'] {
  if (round === null || ticket === null) return left;
  const closed = partial.get(round);
  if (!closed || closed.trained.includes(ticket)) return null;
  return closed.stale.includes(ticket) ? 'stale' : 'lost';
}

/** @param votes those that count so far. */
export function servedGroup(record: GroupRecord, finishedRounds: number, votes: number): ServedGroup {
  const { id, prompt, seed, createdAt, requestedBy, policyVersion, size, pictures, tree, decision, round } =
    record;
  return {
    ...{ id, prompt, createdAt, seed, policyVersion, round, size, pictures, tree, votes, requestedBy },
    state: stateOf(record, finishedRounds),
    // Not before, so that nobody is led by it.
    comparison: decision ? record.comparison : null,
    rewards: decision?.rewards ?? null,
    agreement: decision?.agreement ?? null,
  };
}

/** Whether a vote from anywhere fits its group. */
export const fitsGroup = ({ judgment: said }: VoteLine, { pictures }: GroupRecord): boolean =>
  judgmentFault(said, pictures) === null;
