import { groupAdvantagesStage } from './advantages/settings.js';
import { promptsStage } from './prompts/settings.js';
import { scoreRewardsStage } from './reward/settings.js';
import { branchRolloutsStage } from './sampler/settings.js';
import { intervalScheduleStage } from './schedule/settings.js';
import { gradientStepsStage } from './trainer/settings.js';

/** Every type of topology stage, alphabetical. A new one is its file and one line here. */
export const STAGE_SPECS = [
  branchRolloutsStage,
  gradientStepsStage,
  groupAdvantagesStage,
  intervalScheduleStage,
  promptsStage,
  scoreRewardsStage,
] as const;

export type StageType = (typeof STAGE_SPECS)[number]['type'];
