/** @file What operators want of a running run: a state, not commands, so it may be read any number of times. */

import { FREE_SCHEDULE, type ScheduleControl } from '../../operators/index.js';
import type { ListedPrompt } from './prompts.js';

/** Settings of a guard that an operator has changed. */
export interface GuardChange {
  readonly threshold?: number;
  readonly action?: GuardAction;
}

/** By name of the guard. */
export type GuardChanges = Readonly<Record<string, GuardChange>>;

export interface Control {
  /** Raised with every change; 0 before the first. */
  readonly version: number;
  /** Factor on the learning rate of the config, above 0. */
  readonly learningRateScale: number;
  readonly guards: GuardChanges;
  readonly schedule: ScheduleControl;
  /** Replaces the training prompts, never empty; null keeps those of the config. */
  readonly prompts: readonly ListedPrompt[] | null;
}

/** A run that is left alone. */
export const UNCONTROLLED: Control = {
  version: 0,
  learningRateScale: 1,
  guards: {},
  schedule: FREE_SCHEDULE,
  prompts: null,
};

/** What a control state changes in the config. */
export interface ControlDifference {
  readonly version: number;
  readonly learningRateScale?: number;
  readonly guards?: GuardChanges;
  readonly schedule?: ScheduleControl;
  /** The number of prompts that replace those of the config. */
  readonly prompts?: number;
}

/** Returns what differs from the config; null if nothing does. */
export function controlDifference(control: Control): ControlDifference | null {
  const { version, learningRateScale, guards, schedule, prompts } = control;
  const difference = {
    ...(learningRateScale !== 1 && { learningRateScale }),
    ...(Object.keys(guards).length > 0 && { guards }),
    ...((schedule.shift !== 0 || schedule.frozenAt !== null) && { schedule }),
    ...(prompts && { prompts: prompts.length }),
  };
  return Object.keys(difference).length > 0 ? { version, ...difference } : null;
}

/** What a guard may do when its threshold is crossed. */
export const GUARD_ACTIONS = ['off', 'warn', 'lower-learning-rate', 'stop'] as const;

export type GuardAction = (typeof GUARD_ACTIONS)[number];
