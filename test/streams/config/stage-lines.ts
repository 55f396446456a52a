/** @file The smallest config with another line for one of its stages. */
import { withLine } from './valid-config.js';

export const sampler = (fields: string) => withLine('sampler:', `sampler: { type: sampler, ${fields} }`);
export const prompts = (fields: string) => withLine('prompts:', `prompts: { type: prompts, ${fields} }`);
export const files = 'train: t, heldOut: h';
export const schedule = (fields: string) => withLine('schedule:', `schedule: { type: schedule, ${fields} }`);
export const advantages = (fields: string) =>
  withLine('advantages:', `advantages: { type: advantages, ${fields} }`);
export const reward = (fields: string) => withLine('reward:', `reward: { type: reward, ${fields} }`);
export const trainer = (fields: string) => withLine('trainer:', `trainer: { type: trainer, ${fields} }`);
