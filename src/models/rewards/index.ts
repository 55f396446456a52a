/** @file Every reward source. Config, lint, JSON Schema and the reward thread follow from the entries. */

import { Catalog, type SettingsOf } from '../../catalog.js';
import type { RewardScorer } from './contract/reward-scorer.js';
import type { RewardContext } from './contract/reward-source.js';
import { SOURCES } from './sources/index.js';
import { weightedSum } from './weighted-sum.js';

export const REWARD_SOURCES = new Catalog('from', [...SOURCES.entries, weightedSum]);

/** Settings of a source, as a config holds them. */
export type RewardSettings = SettingsOf<typeof REWARD_SOURCES>;

export const openReward = (settings: RewardSettings, context: RewardContext): Promise<RewardScorer> =>
  REWARD_SOURCES.create(settings, context);
