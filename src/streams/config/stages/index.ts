import { branchRolloutsStage } from './branch-rollouts.js';
import { gradientStepsStage } from './gradient-steps.js';
import { groupAdvantagesStage } from './group-advantages.js';
import { intervalScheduleStage } from './interval-schedule.js';
import { promptsStage } from './prompts.js';
import { scoreRewardsStage } from './score-rewards.js';

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
