import {
  createNoiseSchedule,
  type DdimSchedule,
  type FlowSchedule,
} from '../../../src/models/diffusion/noise-schedule.js';
import type { SchedulerConfig } from '../../../src/models/diffusion/scheduler-config.js';

/** The schedule of Stable Diffusion 1.x. */
export const STABLE_DIFFUSION: SchedulerConfig = {
  numTrainTimesteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
  predictionType: 'epsilon',
  timestepSpacing: 'leading',
  stepsOffset: 1,
  setAlphaToOne: false,
};

export function scheduleWith(changes: Partial<SchedulerConfig> = {}): DdimSchedule {
  return createNoiseSchedule({ ...STABLE_DIFFUSION, ...changes });
}

export function flowSchedule({ shift = 1, numTrainTimesteps = 1000 } = {}): FlowSchedule {
  return { config: { predictionType: 'flow', numTrainTimesteps, shift } };
}
