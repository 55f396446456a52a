import { TributaryError } from '../../errors.js';
import { type AdvantageHistory, createHistory } from '../advantages/advantage-history.js';
import type { AdvantageRule } from '../advantages/advantage-rule.js';
import { overflowError } from '../checks/faults.js';
import type { LostGroup, RewardedGroup } from '../records/records.js';
import { type ClosedRound, closeRound } from './round-batch.js';

export interface RoundCloserOptions {
  readonly rule: AdvantageRule;
  /** Outcomes, rewarded or lost, that close a round; at least 1. */
  readonly groupsPerRound: number;
  /** Most rounds open at once, at least 1; 1 + ⌈runAhead / groupsPerRound⌉ is enough. */
  readonly maxOpenRounds: number;
  /** The first round to close (a resumed run). Default 0. */
  readonly firstRound?: number;
  /** The history before that round. Default: that of a new run. */
  readonly initialState?: AdvantageHistory;
}

/** The rounds that wait for outcomes. They close in order, as each sees the history of those before it. */
interface RoundCloser<Trajectory> {
  /** Takes an outcome and returns the rounds that close because of it. Duplicates and late outcomes are ignored. */
  add(outcome: RewardedGroup<Trajectory> | LostGroup): ClosedRound<Trajectory>[];
  /** Closes the next round with the outcomes it has, then those after it that are full. */
  closeNext(): ClosedRound<Trajectory>[];
  /** The next round to close if it has a rewarded group, else null. */
  rewardedRound(): number | null;
}

/**
 * Creates the memory of `groupAdvantages`.
 *
 * Errors: TRIB_OVERFLOW when one more round would open; TRIB_OPERATOR when a round has more groups than it should.
 */
export function createRoundCloser<Trajectory>(options: RoundCloserOptions): RoundCloser<Trajectory> {
  const { rule, groupsPerRound, maxOpenRounds, firstRound = 0, initialState = createHistory() } = options;
  const open = new Map<number, Map<string, RewardedGroup<Trajectory> | LostGroup>>();
  let nextRound = firstRound;
  let history = initialState;

  const close = (): ClosedRound<Trajectory> => {
    const outcomes = [...(open.get(nextRound)?.values() ?? [])];
    const round = closeRound({ round: nextRound, groupsPerRound, outcomes }, rule, history);
    open.delete(nextRound);
    nextRound += 1;
    history = round.state;
    return round;
  };
  const closeFull = (): ClosedRound<Trajectory>[] => {
    const closed: ClosedRound<Trajectory>[] = [];
    while (open.get(nextRound)?.size === groupsPerRound) closed.push(close());
    return closed;
  };
  return {
    add(outcome) {
      const { groupId, round } = outcome;
      if (round < nextRound) return [];
      const outcomes = open.get(round) ?? new Map();
      if (outcomes.has(groupId)) return [];
      if (outcomes.size === groupsPerRound) throw surplus(groupId, groupsPerRound);
      open.set(round, outcomes.set(groupId, outcome));
      if (open.size > maxOpenRounds) {
        throw overflowError('groupAdvantages rounds', `${maxOpenRounds} open`, 'maxOpenRounds');
      }
      return closeFull();
    },
    closeNext: () => [close(), ...closeFull()],
    rewardedRound() {
      for (const outcome of open.get(nextRound)?.values() ?? []) if ('rewards' in outcome) return nextRound;
      return null;
    },
  };
}

function surplus(groupId: string, groupsPerRound: number): TributaryError {
  return new TributaryError(
    'TRIB_OPERATOR',
    `groupAdvantages group ${groupId}: expected ${groupsPerRound} groups in its round, got another. Give prompts and groupAdvantages the same \`groupsPerRound\`.`,
  );
}
