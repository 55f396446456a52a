import { at } from '../../../at.js';
import { integer } from '../../../fields.js';
import { requireCount, requireFloor } from '../../checks/option-checks.js';
import { historyEntry, rewardsByPrompt } from '../advantage-history.js';
import { type AdvantageRule, defineAdvantageRule, sampleOf, stdFloorField } from '../advantage-rule.js';
import { momentsOf } from '../moments.js';
import { ruleStatistics } from '../rule-statistics.js';

interface PerPromptRuleOptions {
  /** Most samples in the queue of a prompt, at least 1. ddpo-pytorch: 16 or 32. */
  readonly bufferSize: number;
  /** Samples that a queue needs to be used; with fewer, the whole round is. At least 1, at most `bufferSize`. */
  readonly minCount: number;
  /** Least standard deviation, in units of reward, at least 0. Default 0, as released. */
  readonly stdFloor?: number;
}

/**
 * Creates DDPO's per-prompt rule: z-score over a queue of the prompt's last samples. All branches are kept.
 *
 *     A = (r - mean(pool)) / (max(std(pool), stdFloor) + 1e-6)
 *     pool(p) = queue of p, current round included, when it holds at least minCount; else all rewards of the round
 *
 * Source: kvablack/ddpo-pytorch, `PerPromptStatTracker`. std is that of the population (n). Clipping of A belongs to the
 * loss. The queue is first in, first out; a round with more than `bufferSize` samples of a prompt keeps the last.
 *
 * Errors: TRIB_OPERATOR for a bound that is not a count, or a `minCount` that the queue can never reach.
 */
export function perPromptRule({ bufferSize, minCount, stdFloor = 0 }: PerPromptRuleOptions): AdvantageRule {
  requireCount('groupAdvantages', 'minCount', minCount, 1);
  requireCount('groupAdvantages', 'bufferSize', bufferSize, minCount);
  requireFloor('groupAdvantages', 'stdFloor', stdFloor, 0);
  return (history, groups) => {
    const queues = rewardsByPrompt(history.rounds[0] ?? []);
    for (const { prompt, rewards } of groups) {
      queues.set(prompt, [...(queues.get(prompt) ?? []), ...rewards].slice(-bufferSize));
    }
    const round = momentsOf(groups.flatMap(({ rewards }) => rewards));
    const advantages = groups.map(({ prompt, rewards }) => {
      const queue = queues.get(prompt) ?? [];
      const { mean, populationStd } = queue.length < minCount ? round : momentsOf(queue);
      return rewards.map((reward) => (reward - mean) / (Math.max(populationStd, stdFloor) + 1e-6));
    });
    const samples = groups.flatMap((group, index) =>
      at(advantages, index).map((advantage, branch) => sampleOf(group, branch, advantage)),
    );
    return {
      state: { rounds: [historyEntry(queues)] },
      samples,
      statistics: ruleStatistics(groups, samples, advantages),
    };
  };
}

export const perPromptRuleSpec = defineAdvantageRule({
  name: 'per-prompt',
  summary:
    "DDPO's rule: z-scores over the newest rewards of the prompt; every sample is trained on. Needs no branches.",
  fields: {
    bufferSize: integer(1)
      .default(32)
      .describe(
        'Number of newest rewards per prompt that count. More are steadier but lag behind the policy.',
      ),
    minCount: integer(1)
      .default(16)
      .describe(
        'Rewards a prompt must have before its own statistics replace those of the whole round. At most bufferSize.',
      ),
    stdFloor: stdFloorField,
  },
  comparesBranches: false,
  creditsEdges: false,
  keeps: 'all',
  create: perPromptRule,
});
