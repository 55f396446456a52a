import { TributaryError } from '../../../errors.js';
import { treeWidths } from '../../../models/rollouts/fork-plans.js';
import {
  type IntervalScheduleOptions,
  intervalSchedule,
  trainingIntervalAt,
} from '../../../operators/interval-schedule.js';
import type { TrainingInterval } from '../../../operators/records/records.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { findStage } from './stage-of.js';

/** The rollouts of a group while one interval is trained. */
export interface IntervalTree {
  readonly interval: TrainingInterval;
  /** Latents of a group before every sampler step, and its leaves last: see `treeWidths`. */
  readonly widths: readonly number[];
  /** Rounds that train this interval. */
  readonly rounds: number;
}

/**
 * Returns the intervals of a run, each once, in the order of their first round, with their trees; nothing where
 * the stages that decide it are missing or do not fit together.
 * @param noisySteps - leading sampler steps that draw noise under the model's scheduler, default all.
 */
export function intervalTrees(config: Pick<ResolvedConfig, 'stages'>, noisySteps?: number): IntervalTree[] {
  const prompts = findStage(config, 'prompts');
  const sampler = findStage(config, 'sampler');
  const schedule = findStage(config, 'schedule');
  if (!prompts || !sampler || !schedule) return [];
  const { numInferenceSteps } = sampler;
  const { numRounds, plannedRounds } = prompts;
  const options = { spec: schedule, numInferenceSteps, numRounds, plannedRounds, noisySteps };
  if (scheduleFault(options)) return [];
  const trees = new Map<string, IntervalTree>();
  for (let round = 0; round < numRounds; round++) {
    const interval = trainingIntervalAt(round, options);
    const key = interval.trainedSteps.join();
    const known = trees.get(key);
    const widths = known?.widths ?? treeWidths(sampler, interval.trainedSteps, numInferenceSteps);
    trees.set(key, { interval: known?.interval ?? interval, widths, rounds: (known?.rounds ?? 0) + 1 });
  }
  return [...trees.values()];
}

/** Whether some round of a schedule has no interval; lint names the setting. */
function scheduleFault(options: IntervalScheduleOptions): boolean {
  try {
    intervalSchedule(options);
    return false;
  } catch (error) {
    if (error instanceof TributaryError) return true;
    throw error;
  }
}
