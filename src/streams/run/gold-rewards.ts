/** @file Rewards that evaluations measure and nobody trains on: what the trained reward stands for. */

import { TributaryError } from '../../errors.js';
import { inOrder } from '../../models/engines/chunks.js';
import { type Spread, spreadOf } from '../../models/numeric/spread.js';
import { isReward } from '../../operators/records/reward-fault.js';
import { metadataPart } from '../../prompt-metadata.js';
import type { GoldSettings } from '../config/resolved/reward-parts.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { ListedPrompt } from '../messages/prompts.js';
import { groupsAtOnce } from '../stages/reward/groups-at-once.js';
import type { ScorePictures } from '../stages/reward/scorers.js';
import type { SamplerClient } from '../stages/sampler/client.js';
import type { OpenParts } from './opening/open-parts.js';
import { openRewards } from './opening/open-rewards.js';

export interface GoldReward {
  readonly name: string;
  readonly source: GoldSettings;
  readonly score: ScorePictures;
}

/** Begins to open the gold rewards of a config, side by side. Returns what waits for all of them, in the order of the config. */
export function openGold(
  config: ResolvedConfig,
  imageShape: Parameters<typeof openRewards>[2],
  parts: OpenParts,
): () => Promise<readonly GoldReward[]> {
  const named = Object.entries(config.evaluation.gold);
  // No stage has such a name.
  const threadName = (name: string) => `evaluation.gold.${name}`;
  const scorers = named.map(([name, source]) => ({ ...source, name: threadName(name) }));
  const opening = openRewards(config, scorers, imageShape, parts);
  return async () => {
    const threads = await opening();
    return named.flatMap(([name, source]) => {
      const thread = threads.get(threadName(name));
      return thread ? [{ name, source, score: thread.call.score }] : [];
    });
  };
}

interface GoldOptions {
  readonly prompts: readonly ListedPrompt[];
  /** Those of each prompt after those of the one before, as many of each. */
  readonly pictures: readonly Float32Array[];
  /** [C, H, W] of each. */
  readonly imageShape: SamplerClient['evaluationShape'];
  /** The list, for warnings. */
  readonly list: string;
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures pictures by every gold reward. A reward that is not finite or beyond `maxMagnitude` is left out with a warning, and
 * so is a gold reward of which none is left: it is measured for whoever looks, and ends no run.
 *
 * Errors: those of the rewards, with the name of the reward.
 */
export async function measureGold(
  gold: readonly GoldReward[],
  options: GoldOptions,
): Promise<Readonly<Record<string, Spread>>> {
  const measured: Record<string, Spread> = {};
  for (const reward of gold) {
    const { maxMagnitude } = reward.source;
    const rewards = await scoresOf(reward, options);
    const right = rewards.filter((value) => isReward(value, maxMagnitude));
    if (right.length < rewards.length)
      options.warn(
        `evaluation of ${options.list}, gold reward "${reward.name}": expected rewards from -${maxMagnitude.toExponential()} to ${maxMagnitude.toExponential()}, got ${rewards.find((value) => !isReward(value, maxMagnitude))} among ${rewards.length}; the mean leaves out ${rewards.length - right.length}`,
      );
    if (right.length > 0) measured[reward.name] = spreadOf(right);
  }
  return measured;
}

async function scoresOf(
  { name, source, score }: GoldReward,
  { prompts, pictures, imageShape, signal }: GoldOptions,
): Promise<readonly number[]> {
  const each = pictures.length / prompts.length;
  const scoreOne = ([row, { prompt, metadata }]: readonly [number, ListedPrompt]) => {
    const images = pictures.slice(row * each, (row + 1) * each);
    return score({ prompt, images, imageShape, ...metadataPart(metadata) }, { signal });
  };
  const rewards: number[] = [];
  try {
    for await (const scored of inOrder(prompts.entries(), groupsAtOnce(source), scoreOne))
      rewards.push(...scored.rewards);
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    const { code, message, retryable } = error;
    throw new TributaryError(code, `gold reward "${name}": ${message}`, { retryable, cause: error });
  }
  return rewards;
}
