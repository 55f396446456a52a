import { isDeepStrictEqual } from 'node:util';
import { judgmentFault } from '../../../operators/index.js';
import { type Feedback, personFault } from '../../messages/people.js';
import { DeskError, type VoteLine } from './desk.js';
import type { GroupRecord } from './group-record.js';
import { type PreferencePair, pairsOf } from './preference-pairs.js';

/** What was said of each group: one vote of a voter. */
export class GroupVotes {
  /** By group, then by voter. */
  readonly #votes = new Map<string, Map<string, VoteLine>>();

  /** Takes the place of an earlier vote of the voter. */
  set(line: VoteLine): void {
    const votes = this.#votes.get(line.groupId) ?? new Map<string, VoteLine>();
    this.#votes.set(line.groupId, votes.set(line.voter, line));
  }

  has(groupId: string, voter: string): boolean {
    return this.#votes.get(groupId)?.has(voter) ?? false;
  }

  /** Votes on a group, those who skipped it left out. */
  count(groupId: string): number {
    const votes = [...(this.#votes.get(groupId)?.values() ?? [])];
    return votes.filter(({ judgment }) => !('skip' in judgment)).length;
  }

  /** Groups that somebody has judged or skipped. */
  get numGroups(): number {
    return this.#votes.size;
  }

  /** Votes on the groups that were judged last, at most so many. */
  newest(mostGroups: number): VoteLine[] {
    return [...this.#votes.values()].slice(-mostGroups).flatMap((votes) => [...votes.values()]);
  }

  by(voter: string): VoteLine[] {
    return [...this.#votes.values()].flatMap((votes) => votes.get(voter) ?? []);
  }

  get voters(): Set<string> {
    return new Set([...this.#votes.values()].flatMap((votes) => [...votes.keys()]));
  }

  /** Removes what a voter said until a time. Returns what that was. */
  forget(voter: string, until: number): VoteLine[] {
    const gone = this.by(voter).filter(({ at }) => Date.parse(at) <= until);
    for (const { groupId } of gone) this.#votes.get(groupId)?.delete(voter);
    return gone;
  }

  remove(groupId: string): void {
    this.#votes.delete(groupId);
  }

  /** All of them in the order in which they were given, and the pairs that they say. */
  files(recordOf: (groupId: string) => GroupRecord) {
    const lines = [...this.#votes.values()].flatMap((votes) => [...votes.values()]);
    lines.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    const pairs = lines.flatMap((line): PreferencePair[] => pairsOf(line, recordOf(line.groupId)));
    return { lines, pairs };
  }

  /**
   * Whether a judgment says something new: false where this voter has said the same.
   *
   * Errors: a {@link DeskError} where it does not fit the group or what the voter has said.
   */
  isNew({ groupId, voter, judgment }: Omit<Feedback, 'givenAt'>, { pictures }: GroupRecord): boolean {
    const fault = personFault(voter) ?? judgmentFault(judgment, pictures);
    if (fault !== null)
      throw new DeskError('out-of-range', `vote on group ${groupId}: ${fault}. Correct the vote.`);
    const earlier = this.#votes.get(groupId)?.get(voter)?.judgment;
    if (earlier === undefined) return true;
    if (isDeepStrictEqual(earlier, judgment)) return false;
    if ('skip' in earlier) return true;
    throw new DeskError(
      'contradicts',
      `vote on group ${groupId}: expected ${JSON.stringify(earlier)} again, as this voter said before, got ${JSON.stringify(judgment)}. The first vote counts.`,
    );
  }
}

export const unknownGroup = (groupId: string) =>
  new DeskError(
    'unknown-group',
    `group ${JSON.stringify(groupId.slice(0, 80))}: expected one of this gateway, got none. Ask for its pictures first.`,
  );

export const deleted = (what: string) =>
  new DeskError(
    'deleted',
    `${what}: expected somebody who was not deleted since, got one who was. Ask or vote anew.`,
  );

export const finished = ({ id }: GroupRecord, state: string) =>
  new DeskError(
    'finished',
    `group ${id}: expected one that waits for feedback, got one that is ${state}. Vote on another.`,
  );
