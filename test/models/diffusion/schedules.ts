import {
  createNoiseSchedule,
  type DdimSchedule,
  type FlowSchedule,
} from '../../../src/models/diffusion/noise-schedule.js';
import type { FlowSchedulerConfig, SchedulerConfig } from '../../../src/models/diffusion/scheduler-config.js';

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

export function flowSchedule({
  imageTokens,
  ...changes
}: Partial<FlowSchedulerConfig> & { readonly imageTokens?: number | null } = {}): FlowSchedule {
  const config = { predictionType: 'flow', numTrainTimesteps: 1000, shift: 1, ...changes } as const;
  return createNoiseSchedule(config, imageTokens ?? undefined);
}
