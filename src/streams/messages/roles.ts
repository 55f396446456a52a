import type { StageType } from '../stages/index.js';

/** Parts of a run that may be processes of their own, with the stages of each. */
export const ROLES = {
  prompts: ['prompts'],
  sampler: ['sampler'],
  reward: ['reward'],
  trainer: ['schedule', 'advantages', 'trainer'],
} as const satisfies Record<string, readonly StageType[]>;

export type Role = keyof typeof ROLES;
/** Everything but the trainer: it holds no state, so there may be many of each, but for the prompts. */
export type WorkerRole = Exclude<Role, 'trainer'>;

export const ALL_ROLES = Object.keys(ROLES) as Role[];
