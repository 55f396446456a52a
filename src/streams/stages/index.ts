import { advantagesStage } from './advantages/settings.js';
import { promptsStage } from './prompts/settings.js';
import { rewardStage } from './reward/settings.js';
import { samplerStage } from './sampler/settings.js';
import { scheduleStage } from './schedule/settings.js';
import { trainerStage } from './trainer/settings.js';

/** Every type of stage, alphabetical. A new one is a room of its own and a line here. */
export const STAGE_SPECS = [
  advantagesStage,
  promptsStage,
  rewardStage,
  samplerStage,
  scheduleStage,
  trainerStage,
] as const;

export type StageType = (typeof STAGE_SPECS)[number]['name'];

/** Parts of a run that may be processes of their own, with the stages of each. */
const ROLES = {
  prompts: ['prompts'],
  sampler: ['sampler'],
  reward: ['reward'],
  trainer: ['schedule', 'advantages', 'trainer'],
} as const satisfies Record<string, readonly StageType[]>;

export type Role = keyof typeof ROLES;
/** All but the trainer. They hold no state, so there may be many of each, except of the prompts. */
export type WorkerRole = Exclude<Role, 'trainer'>;

export const ALL_ROLES = Object.keys(ROLES) as Role[];
