/** @file The noise schedule of a model, of whichever family; `config.predictionType` tells the two apart. */
import { createDdimSchedule, type DdimSchedule } from './ddim-schedule.js';
import type { FlowSchedule } from './flow-schedule.js';
import type { AnySchedulerConfig, SchedulerConfig } from './scheduler-config.js';

export type NoiseSchedule = DdimSchedule | FlowSchedule;

/** Returns the schedule that a scheduler config describes. */
export function createNoiseSchedule(config: SchedulerConfig): DdimSchedule;
export function createNoiseSchedule(config: AnySchedulerConfig): NoiseSchedule;
export function createNoiseSchedule(config: AnySchedulerConfig): NoiseSchedule {
  return config.predictionType === 'flow' ? { config } : createDdimSchedule(config);
}

/** Says whether a schedule is that of a flow model, whose network predicts velocities. */
export function isFlow(schedule: NoiseSchedule): schedule is FlowSchedule {
  return schedule.config.predictionType === 'flow';
}
