import { distinctUntilChanged, map, type OperatorFunction, pipe } from 'rxjs';
import { TributaryError } from '../errors.js';
import type { TrainingInterval } from './records.js';
import { requireCount } from './require-count.js';

/** How many of the last sampler steps are trained (s), as a function of the training stage. */
export type IntervalSpec =
  /** s(k) = first + ⌊k (last - first + 1) / K⌋: grows from `first` to `last` in equal shares of the run. */
  | { readonly mode: 'floor-linear'; readonly first: number; readonly last: number }
  /** The listed s, each for an equal share of the run. */
  | { readonly mode: 'list'; readonly stages: readonly number[] }
  | { readonly mode: 'constant'; readonly steps: number }
  | { readonly mode: 'function'; readonly steps: (trainingStage: number) => number };

export interface IntervalScheduleOptions {
  readonly spec: IntervalSpec;
  /** Sampler steps of a rollout (S). */
  readonly numInferenceSteps: number;
  /** Training stages of the whole run (K). */
  readonly numStages: number;
}

/**
 * Returns the training interval of one stage: the last s(k) of S sampler steps.
 *
 *     floor-linear  s(k) = L + ⌊k (R - L + 1) / K⌋      hu-zijing/B2-DiffuRL, run script (L = 14, R = 20, K = 100)
 *     list          s(k) = stages[⌊k n / K⌋], n entries
 *
 * iADD's schedule, min(20, 4 (1 + ⌊10 k / K⌋)), is the list 4, 8, 12, 16, 20, 20, 20, 20, 20, 20.
 *
 * Units: s in sampler steps, 1..S; `trainingStage` in 0..K-1.
 * Errors: TRIB_OPERATOR when a count is wrong, the stage lies outside the run, `first` exceeds `last`, or s outside 1..S.
 */
export function trainingIntervalAt(
  spec: IntervalSpec,
  trainingStage: number,
  numInferenceSteps: number,
  numStages: number,
): TrainingInterval {
  requireCount('intervalSchedule', 'numInferenceSteps', numInferenceSteps, 1);
  requireCount('intervalSchedule', 'numStages', numStages, 1);
  requireCount('intervalSchedule', 'trainingStage', trainingStage, 0);
  if (trainingStage >= numStages) {
    throw fault('trainingStage', `less than numStages ${numStages}`, trainingStage, 'Raise `numStages`');
  }
  const numTrained = numTrainedSteps(spec, trainingStage, numStages);
  if (!Number.isInteger(numTrained) || numTrained < 1 || numTrained > numInferenceSteps) {
    throw fault(
      `${spec.mode} at training stage ${trainingStage}`,
      `a whole number of steps in 1..${numInferenceSteps}`,
      numTrained,
      'Train at most `numInferenceSteps` steps',
    );
  }
  return { trainingStage, firstStep: numInferenceSteps - numTrained, numSteps: numInferenceSteps };
}

/**
 * Maps the training stage that begins to its interval (backward progressive training: the interval grows from the last
 * sampler steps towards earlier ones).
 *
 * ```
 * source  0--0--1--2--|
 * result  a-----b--c--|
 * ```
 *
 * Time: emits at once, and once a stage: a repeated stage is skipped. Completes and errs with the source; buffers nothing.
 * Errors: as `trainingIntervalAt`; all stages of a spec without a function are checked at call time.
 */
export function intervalSchedule(
  options: IntervalScheduleOptions,
): OperatorFunction<number, TrainingInterval> {
  const { spec, numInferenceSteps, numStages } = options;
  requireCount('intervalSchedule', 'numStages', numStages, 1);
  const at = (stage: number) => trainingIntervalAt(spec, stage, numInferenceSteps, numStages);
  if (spec.mode !== 'function') for (let stage = 0; stage < numStages; stage += 1) at(stage);
  return pipe(distinctUntilChanged(), map(at));
}

function numTrainedSteps(spec: IntervalSpec, trainingStage: number, numStages: number): number {
  switch (spec.mode) {
    case 'floor-linear':
      if (spec.first > spec.last) {
        throw fault('`first`', `at most \`last\` ${spec.last}`, spec.first, 'Swap them');
      }
      return spec.first + Math.floor((trainingStage * (spec.last - spec.first + 1)) / numStages);
    case 'list':
      // An empty list has no entry at any stage: NaN is refused by the caller with the place in the text.
      return spec.stages[Math.floor((trainingStage * spec.stages.length) / numStages)] ?? Number.NaN;
    case 'constant':
      return spec.steps;
    case 'function':
      return spec.steps(trainingStage);
    default:
      return spec satisfies never;
  }
}

function fault(thing: string, expected: string, got: number, next: string): TributaryError {
  return new TributaryError(
    'TRIB_OPERATOR',
    `intervalSchedule ${thing}: expected ${expected}, got ${got}. ${next}.`,
  );
}
