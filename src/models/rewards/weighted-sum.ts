/** @file A weighted sum of rewards. */

import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import { number, rewardWeight, text } from '../../fields.js';
import { sideBySide } from '../threads/side-by-side.js';
import {
  type PicturesOfPrompt,
  type RewardScorer,
  runsOn,
  type ScoredPictures,
} from './contract/reward-scorer.js';
import { defineRewardSource } from './contract/reward-source.js';
import { SOURCES } from './sources/index.js';

const partFields = {
  weight: rewardWeight().default(1).describe('Weight of the normalized reward; negative if less is better.'),
  mean: number({ from: '(-Infinity', to: 'Infinity)' })
    .default(0)
    .describe("Subtracted from the part's reward; a constant, so that all workers normalize the same way."),
  std: number({ from: '(0', to: 'Infinity)' })
    .default(1)
    .describe('The difference is divided by it; also a constant.'),
};

const part = SOURCES.schema({ after: () => partFields });

/** One reward of the sum. */
export interface SummedPart {
  readonly name: string;
  readonly weight: number;
  readonly mean: number;
  readonly std: number;
  readonly scorer: RewardScorer;
}

/**
 * Returns a scorer with r = Σ_p weight_p (r_p - mean_p) / std_p. Parts are scored side by side; features are those of the
 * first part that has some. A running mean would differ between workers and after restarts; constants keep a run
 * repeatable.
 *
 * A term that is not finite or beyond `maxMagnitude` replaces the sum, so that its group is lost: another vast term could
 * cancel it, and leave only rounding.
 *
 * Errors: those of the parts, with the name of the part; TRIB_REWARD if a part gives a wrong number of rewards.
 */
export function createWeightedSum(parts: readonly SummedPart[], maxMagnitude: number): RewardScorer {
  const runs = parts.flatMap(({ scorer }) => scorer.runsOn ?? []);
  const [first, ...others] = runs;
  return {
    runsOn: first ? runsOn(first, ...others) : null,
    async score(pictures, signal) {
      const work = (summed: SummedPart, either: AbortSignal) => scorePart(summed, pictures, either);
      const scored = await sideBySide(parts, parts.length, work, signal);
      const rewards = pictures.images.map((_, picture) => {
        const terms = parts.map(({ weight, mean, std }, index) => {
          const reward = scored[index]?.rewards[picture] ?? Number.NaN;
          return (weight * (reward - mean)) / std;
        });
        const wrong = terms.find((term) => !(Math.abs(term) <= maxMagnitude));
        return wrong ?? terms.reduce((sum, term) => sum + term, 0);
      });
      return { rewards, features: scored.find((one) => one.features)?.features ?? null };
    },
    async close() {
      for (const { scorer } of parts) await scorer.close();
    },
  };
}

async function scorePart(
  { name, scorer }: SummedPart,
  pictures: PicturesOfPrompt,
  signal: AbortSignal,
): Promise<ScoredPictures> {
  const scored = await named(name, () => scorer.score(pictures, signal));
  if (scored.rewards.length === pictures.images.length) return scored;
  throw new TributaryError(
    'TRIB_REWARD',
    `reward part "${name}": expected ${pictures.images.length} rewards, one per picture, got ${scored.rewards.length}. Check that part on this prompt.`,
  );
}

/** Puts the name of the part before its faults. */
async function named<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    const { code, message, retryable } = error;
    throw new TributaryError(code, `reward part "${name}": ${message}`, { retryable, cause: error });
  }
}

export const weightedSum = defineRewardSource({
  name: 'sum',
  summary: 'The weighted sum of several rewards, each normalized by constants: weight (reward - mean) / std.',
  fields: {
    parts: z
      .record(text('the name of a part'), part, { error: 'a mapping from names to rewards' })
      .refine((parts) => Object.keys(parts).length > 0, { error: 'a mapping with at least one reward' })
      .describe('The rewards by name, each with its own settings, weight, mean and std.'),
  },
  sideBySide: 'every service among the parts must answer concurrent requests',
  async create({ parts }, context) {
    const summed: SummedPart[] = [];
    for (const [name, { weight, mean, std, ...settings }] of Object.entries(parts)) {
      const scorer = await named(name, () => SOURCES.create(settings, context));
      summed.push({ name, weight, mean, std, scorer });
    }
    return createWeightedSum(summed, context.maxMagnitude);
  },
});
