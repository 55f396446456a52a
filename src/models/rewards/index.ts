/** @file Every source of rewards. Config, lint, JSON Schema and the reward thread follow from the specs. */

import type { RewardScorer } from './contract/reward-scorer.js';
import type { RewardContext } from './contract/reward-source.js';
import { openFrom, type SettingsOf, SOURCES } from './sources/index.js';
import { weightedSum } from './weighted-sum.js';

export const REWARD_SOURCES = [...SOURCES, weightedSum] as const;

/** Settings of a source, as a config holds them. */
export type RewardSettings = SettingsOf<(typeof REWARD_SOURCES)[number]>;

/** Opens the source that the settings name. */
export function openReward(settings: RewardSettings, context: RewardContext): Promise<RewardScorer> {
  return openFrom(REWARD_SOURCES, settings, context);
}
