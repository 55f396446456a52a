/** @file The reward models of a run together: what evaluations and the promotion gate ask. */

import { TributaryError } from '../../../errors.js';
import type { Client } from '../../../models/threads/thread.js';
import { combinedReward, namedParts } from '../../../operators/gathering/combined-parts.js';
import type { PartRewards } from '../../../operators/index.js';
import { rewardParts, trainedStages } from '../../config/resolved/reward-parts.js';
import { findStage } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { RewardThread } from './client.js';
import type { RewardService, Scores } from './reward-thread.js';

/** Scores the pictures of a prompt. */
export type ScorePictures = Client<RewardService>['score'];

/** By name of the stage. */
export type RewardThreads = ReadonlyMap<string, RewardThread>;

/**
 * Returns what scores as the run does: the one reward stage, or all parts of the combination that this program can compute,
 * combined. Rewards that others write are left out. What the verifier says comes from the first stage, diversity from the
 * first that has features.
 *
 * Errors: TRIB_REWARD where a prompt names only parts that others write.
 */
export function scorerOf(config: ResolvedConfig, threads: RewardThreads): ScorePictures {
  const combine = findStage(config, 'combine');
  const threadOf = (stage: string) => {
    const thread = threads.get(stage);
    if (thread) return thread.call;
    throw new TributaryError(
      'TRIB_INTERNAL',
      `reward stage ${stage}: expected its thread, got none. Open all of them.`,
    );
  };
  if (combine === undefined) {
    const [only] = trainedStages(config);
    return threadOf(only?.name ?? 'reward').score;
  }
  const parts = rewardParts(config).flatMap(({ name, stage }) => {
    const settings = combine.parts[name];
    return stage === null || settings === undefined
      ? []
      : [{ name, weight: settings.weight, score: threadOf(stage).score }];
  });
  return async (pictures, options) => {
    const named = namedParts(pictures.metadata);
    const asked = parts.filter(({ name }) => named === null || named.includes(name));
    if (asked.length === 0)
      throw new TributaryError(
        'TRIB_REWARD',
        `prompt ${JSON.stringify(pictures.prompt)}: expected a reward among ${parts.map(({ name }) => name).join(', ')}, which can be computed, got ${named?.join(', ')}. Evaluate other prompts, or name another reward in their metadata.`,
      );
    const scored = await Promise.all(asked.map(({ score }) => score(pictures, options)));
    const rewards: PartRewards[] = scored.map((scores, index) => {
      const { name, weight } = asked[index] ?? { name: '', weight: 1 };
      return { name, weight, rewards: scores.rewards };
    });
    const firstOf = <Value>(of: (scores: Scores) => Value | null) =>
      scored.map(of).find((value) => value !== null) ?? null;
    return {
      rewards: combinedReward(combine.by, rewards),
      parts: rewards,
      verdicts: firstOf(({ verdicts }) => verdicts),
      diversity: firstOf(({ diversity }) => diversity),
    };
  };
}
