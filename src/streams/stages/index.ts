import { advantagesStage } from './advantages/settings.js';
import { promptsStage } from './prompts/settings.js';
import { rewardStage } from './reward/settings.js';
import { samplerStage } from './sampler/settings.js';
import { scheduleStage } from './schedule/settings.js';
import { trainerStage } from './trainer/settings.js';

/** Every type of stage, alphabetical. A new one is its file and one line here. */
export const STAGE_SPECS = [
  advantagesStage,
  promptsStage,
  rewardStage,
  samplerStage,
  scheduleStage,
  trainerStage,
] as const;

export type StageType = (typeof STAGE_SPECS)[number]['type'];
