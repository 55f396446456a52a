import { advantagesStage } from './advantages/settings.js';
import { combineStage } from './combine/settings.js';
import { gatewayStage } from './gateway/settings.js';
import { operatorStage } from './operator/settings.js';
import { promptsStage } from './prompts/settings.js';
import { rewardStage } from './reward/settings.js';
import { samplerStage } from './sampler/settings.js';
import { scheduleStage } from './schedule/settings.js';
import { tapStage } from './tap/settings.js';
import { trainerStage } from './trainer/settings.js';

/** Every type of stage, alphabetical. A new one is a room of its own and a line here. */
export const STAGE_SPECS = [
  advantagesStage,
  combineStage,
  gatewayStage,
  operatorStage,
  promptsStage,
  rewardStage,
  samplerStage,
  scheduleStage,
  tapStage,
  trainerStage,
] as const;

export type StageType = (typeof STAGE_SPECS)[number]['name'];

/** The role of the stages that hold the state of a run. All other roles are of workers, which hold none. */
export const TRAINER_ROLE = 'trainer';

/** The role of a type of stage whose config names none; the others have that of their reader. */
export const ROLE_OF_TYPE: Readonly<Partial<Record<StageType, string>>> = {
  gateway: 'gateway',
  prompts: 'prompts',
  sampler: 'sampler',
  reward: 'reward',
  schedule: TRAINER_ROLE,
  advantages: TRAINER_ROLE,
  trainer: TRAINER_ROLE,
};
