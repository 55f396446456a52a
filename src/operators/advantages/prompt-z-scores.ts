import { integer } from '../../fields.js';
import { requireCount, requireFloor } from '../checks/option-checks.js';
import type { RewardedGroup } from '../records/records.js';
import { type AdvantageHistory, historyEntry, rewardsByPrompt } from './advantage-history.js';
import { momentsOf } from './moments.js';

export interface PromptPoolOptions {
  /** Past rounds in the pool of a prompt, rounds without the prompt included; at least 0. Default 8. */
  readonly historyRounds?: number;
  /** Least standard deviation, in units of reward, at least 0. Default 0, as released. */
  readonly stdFloor?: number;
}

/**
 * Normalizes the rewards of one round, given the history before it. `zScores[g][b]` belongs to branch b of group g; `state`
 * is the history with this round in it.
 */
type PromptNormalizer = (
  history: AdvantageHistory,
  groups: readonly RewardedGroup<unknown>[],
) => { readonly zScores: readonly (readonly number[])[]; readonly state: AdvantageHistory };

/**
 * Creates the normalization of rewards by prompt, over the current round and the past ones of the history.
 *
 *     z = (r - mean(pool)) / (max(std(pool), stdFloor) + 1e-8)
 *     pool(p) = rewards of p in the current round and in the last `historyRounds` rounds
 *
 * Source: hu-zijing/B2-DiffuRL, run_select.py, lines 67 to 80. It keeps a list of 8 rounds: a round
 * without p adds nothing to the pool of p and still takes one of the places. With 8 past rounds the window is 9 rounds.
 * std is unbiased (n - 1).
 *
 * Errors: TRIB_OPERATOR for a window that is not a count or a floor below 0.
 *
 * Departure: the released std of a single reward is NaN, which drops the sample silently; here it is 0, hence z = 0. The
 * source computes in float32 except std + 1e-8; here everything is float64. The source has no `stdFloor`.
 */
export function promptZScores({ historyRounds = 8, stdFloor = 0 }: PromptPoolOptions): PromptNormalizer {
  requireCount('groupAdvantages', 'historyRounds', historyRounds, 0);
  requireFloor('groupAdvantages', 'stdFloor', stdFloor, 0);
  return (history, groups) => {
    const current = new Map<string, number[]>();
    for (const { prompt, rewards } of groups)
      current.set(prompt, [...(current.get(prompt) ?? []), ...rewards]);

    const past = lastOf(history.rounds, historyRounds).map(rewardsByPrompt);
    const rounds = [...past, current];
    const zScores = groups.map(({ prompt, rewards }) => {
      const { mean, unbiasedStd } = momentsOf(rounds.flatMap((round) => round.get(prompt) ?? []));
      return rewards.map((reward) => (reward - mean) / (Math.max(unbiasedStd, stdFloor) + 1e-8));
    });
    return { zScores, state: { rounds: lastOf([...history.rounds, historyEntry(current)], historyRounds) } };
  };
}

function lastOf<T>(values: readonly T[], count: number): readonly T[] {
  return count === 0 ? [] : values.slice(-count);
}

/** The setting `historyRounds` of a rule that normalizes this way. */
export const historyRoundsField = integer(0, 1000)
  .default(8)
  .describe(
    'Past rounds whose rewards count toward the mean and deviation of a prompt, besides the current round. A round without the prompt counts, too. More are steadier, but old rewards come from weaker policies and raise the z-scores.',
  );
