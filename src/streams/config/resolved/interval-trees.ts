import { TributaryError } from '../../../errors.js';
import { treeWidths } from '../../../models/rollouts/fork-plans.js';
import { type IntervalScheduleOptions, trainingIntervalAt } from '../../../operators/interval-schedule.js';
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

/** By the stages of a config: a dozen rules of lint ask, and a run has hundreds of rounds. */
const known = new WeakMap<ResolvedConfig['stages'], Map<number | undefined, readonly IntervalTree[]>>();

/**
 * Returns the intervals of a run, each once, in the order of their first round, with their trees; nothing where
 * the stages that decide it are missing or do not fit together.
 * @param noisySteps - leading sampler steps that draw noise under the model's scheduler, default all.
 */
export function intervalTrees(
  config: Pick<ResolvedConfig, 'stages'>,
  noisySteps?: number,
): readonly IntervalTree[] {
  const ofStages = known.get(config.stages) ?? new Map();
  known.set(config.stages, ofStages);
  const trees = ofStages.get(noisySteps) ?? findTrees(config, noisySteps);
  ofStages.set(noisySteps, trees);
  return trees;
}

function findTrees(config: Pick<ResolvedConfig, 'stages'>, noisySteps?: number): IntervalTree[] {
  const prompts = findStage(config, 'prompts');
  const sampler = findStage(config, 'sampler');
  const schedule = findStage(config, 'schedule');
  if (!prompts || !sampler || !schedule) return [];
  const { numInferenceSteps } = sampler;
  const { numRounds, plannedRounds } = prompts;
  const intervals = intervalsOf({
    spec: schedule,
    numInferenceSteps,
    numRounds,
    plannedRounds,
    noisySteps,
  });
  return intervals.map(({ interval, rounds }) => ({
    interval,
    widths: treeWidths(sampler, interval.trainedSteps, numInferenceSteps),
    rounds,
  }));
}

/** None where some round of the schedule has no interval; lint names the setting. */
function intervalsOf(options: IntervalScheduleOptions): Omit<IntervalTree, 'widths'>[] {
  const intervals = new Map<string, Omit<IntervalTree, 'widths'>>();
  try {
    for (let round = 0; round < options.numRounds; round++) {
      const interval = trainingIntervalAt(round, options);
      const key = interval.trainedSteps.join();
      const { interval: first, rounds } = intervals.get(key) ?? { interval, rounds: 0 };
      intervals.set(key, { interval: first, rounds: rounds + 1 });
    }
  } catch (error) {
    if (error instanceof TributaryError) return [];
    throw error;
  }
  return [...intervals.values()];
}
