/** @file The smallest config with another line for one of its stages. */
import { withLine } from './valid-config.js';

export const sampler = (fields: string) =>
  withLine('sampler:', `sampler: { type: branchRollouts, ${fields} }`);
export const prompts = (fields: string) => withLine('prompts:', `prompts: { type: prompts, ${fields} }`);
export const files = 'train: t, heldOut: h';
export const schedule = (fields: string) =>
  withLine('schedule:', `schedule: { type: intervalSchedule, ${fields} }`);
export const advantages = (fields: string) =>
  withLine('advantages:', `advantages: { type: groupAdvantages, ${fields} }`);
export const rewards = (fields: string) => withLine('rewards:', `rewards: { type: scoreRewards, ${fields} }`);
export const trainer = (fields: string) =>
  withLine('trainer:', `trainer: { type: gradientSteps, ${fields} }`);
