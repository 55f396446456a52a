import { TributaryError } from '../../../errors.js';
import { treeWidths } from '../../../models/rollouts/fork-plans/index.js';
import {
  type IntervalScheduleOptions,
  intervalSchedule,
  trainingIntervalAt,
} from '../../../operators/interval-schedule.js';
import type { TrainingInterval } from '../../../operators/records/records.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { findStage } from './stage-of.js';

/** The rollouts of a group while one interval is trained. */
export interface StageTree {
  readonly interval: TrainingInterval;
  /** Latents of a group before every sampler step, and its leaves last: see `treeWidths`. */
  readonly widths: readonly number[];
  /** Training stages that train this interval. */
  readonly stages: number;
}

/**
 * Returns the intervals of a run, each once, in the order of their first training stage, with their trees; nothing where
 * the stages that decide it are missing or do not fit each other.
 * @param noisySteps - leading sampler steps that draw noise under the model's scheduler, default all.
 */
export function stageTrees(config: Pick<ResolvedConfig, 'stages'>, noisySteps?: number): StageTree[] {
  const prompts = findStage(config, 'prompts');
  const sampler = findStage(config, 'branchRollouts');
  const schedule = findStage(config, 'intervalSchedule');
  if (!prompts || !sampler || !schedule) return [];
  const { numInferenceSteps } = sampler;
  if (scheduleFault({ spec: schedule, numInferenceSteps, numStages: prompts.numStages, noisySteps }))
    return [];
  const trees = new Map<string, StageTree>();
  for (let stage = 0; stage < prompts.numStages; stage++) {
    const { numStages } = prompts;
    const interval = trainingIntervalAt(schedule, stage, numInferenceSteps, numStages, noisySteps);
    const key = interval.trainedSteps.join();
    const known = trees.get(key);
    const widths = known?.widths ?? treeWidths(sampler, interval.trainedSteps, numInferenceSteps);
    trees.set(key, { interval: known?.interval ?? interval, widths, stages: (known?.stages ?? 0) + 1 });
  }
  return [...trees.values()];
}

/** Whether some stage of a schedule has no interval; lint names the setting. */
function scheduleFault(options: IntervalScheduleOptions): boolean {
  try {
    intervalSchedule(options);
    return false;
  } catch (error) {
    if (error instanceof TributaryError) return true;
    throw error;
  }
}
