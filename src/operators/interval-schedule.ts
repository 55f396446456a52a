import { distinctUntilChanged, map, type OperatorFunction, pipe } from 'rxjs';
import { at } from '../at.js';
import { TributaryError } from '../errors.js';
import type { OwnSettings } from '../own-entries.js';
import { requireCount } from './checks/option-checks.js';
import { ownStepsAt } from './own-schedule.js';
import type { TrainingInterval } from './records/records.js';

/** Grows from `first` to `last`, by one step whenever `scheduleGrowth` says so. */
export interface CorrelationSpec {
  readonly mode: 'correlation';
  readonly first: number;
  readonly last: number;
  /** Correlation of the rewards in a group from which on the branches of this interval have too little to decide. */
  readonly threshold: number;
  /** Rounds whose mean counts. */
  readonly rounds: number;
  /** Rounds after which the interval grows whatever the correlation; absent: never. */
  readonly mostRounds?: number | undefined;
}

/** `length` steps in a row: the window starts at the noisiest step, advances one step at a time, and starts over. */
interface WindowSpec {
  readonly mode: 'window';
  readonly length: number;
  readonly everyRounds: number;
  /** First step that it may have, and the one after the last; default: all of them. */
  readonly from?: number | undefined;
  readonly until?: number | undefined;
  /** Default `progressive`; `scattered` takes the starts as if drawn by lot. */
  readonly order?: 'progressive' | 'scattered' | undefined;
}

/** Multiples of it, without their whole part, fill the unit interval evenly and in no visible order. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

/** Which sampler steps are trained, as a function of the round, or of what the rounds before have shown. */
export type IntervalSpec =
  /** s(k) = first + ⌊k (last - first + 1) / K⌋: grows from `first` to `last` in equal shares of the run. */
  | { readonly mode: 'floor-linear'; readonly first: number; readonly last: number }
  /** The listed s, each for an equal share of the run. */
  | { readonly mode: 'list'; readonly phases: readonly number[] }
  | { readonly mode: 'constant'; readonly steps: number }
  /** Single steps, the n-th from the end for every listed n; each equal share of the run adds one. */
  | { readonly mode: 'sparse'; readonly phases: readonly number[] }
  | WindowSpec
  /** The first ⌊S f⌋ of S steps; the steps nearest to the image are left out. */
  | { readonly mode: 'fraction'; readonly timestepFraction: number }
  | CorrelationSpec
  | { readonly mode: 'function'; readonly steps: (round: number) => number }
  | ({ readonly mode: 'module' } & OwnSettings);

export interface IntervalScheduleOptions {
  readonly spec: IntervalSpec;
  /** Sampler steps of a rollout (S). */
  readonly numInferenceSteps: number;
  /** Rounds of the whole run. */
  readonly numRounds: number;
  /** Rounds over which the spec is spread (K); later ones keep the interval of the last of them. Default: all. */
  readonly plannedRounds?: number | undefined;
  /** Leading sampler steps that draw noise; the others are deterministic and never trained. Default: all. */
  readonly noisySteps?: number | undefined;
}

/**
 * Returns the training interval of one round. Where a mode counts steps (s), the last s(k) of S sampler steps are trained,
 * except those that draw no noise: if the last step is deterministic, an interval of s steps has s - 1 edges.
 *
 *     floor-linear  s(k) = L + ⌊k (R - L + 1) / K⌋      hu-zijing/B2-DiffuRL, run script (L = 14, R = 20, K = 100)
 *     list          s(k) = phases[⌊k n / K⌋], n entries
 *     sparse        steps S - phases[j], j = 0..⌊k n / K⌋          after iADD, which adds steps incrementally, but spreads
 *                                                       4, 8, 12, then 16 of 20 evenly over the trajectory
 *     window        steps w, ..., w + length - 1 with w(k) = from + ⌊k / everyRounds⌋ mod n, n = until - from - length + 1
 *                                                       MixGRPO (Li et al. 2025), progressive, with roll back
 *                   scattered: from + ⌊n frac(φ (⌊k / everyRounds⌋ + 1))⌋, φ = (√5 - 1)/2
 *                                                       for MixGRPO's random one, and flow_grpo's `sde_window_range`
 *     fraction      steps 0, ..., ⌊S f⌋ - 1             yifan123/flow_grpo, `timestep_fraction`; f = 0.99 leaves the last out
 *     module        s(k), or the steps themselves, as a user's module says: `ownStepsAt`
 *     correlation   s(p) = min(first + p, last)         p counts how often it has grown: `scheduleGrowth`; p <= k
 *
 * A run that is longer than its plan (K = `plannedRounds`) keeps s(K - 1); a window moves on.
 * iADD's schedule of its B²-DiffuRL baseline, min(20, 4 (1 + ⌊10 k / K⌋)), is the list 4, 8, 12, 16, 20 (five times).
 * Departure: a scattered window is no draw. Every start comes up equally often, in an order that needs no seed.
 * A window of one step is TempFlow-GRPO's single stochastic step (He et al. 2025), swept over the trajectory.
 *
 * Units: s in sampler steps, 1..S; `round` in 0..numRounds-1, and for `correlation` the position p.
 * Errors: TRIB_OPERATOR when a count is wrong, the round lies outside the run, `first` exceeds `last`, s outside 1..S, or no
 * step of the interval draws noise.
 */
export function trainingIntervalAt(
  round: number,
  {
    spec,
    numInferenceSteps,
    numRounds,
    plannedRounds = numRounds,
    noisySteps = numInferenceSteps,
  }: IntervalScheduleOptions,
): TrainingInterval {
  requireCount('intervalSchedule', 'numInferenceSteps', numInferenceSteps, 1);
  requireCount('intervalSchedule', 'numRounds', numRounds, 1);
  requireCount('intervalSchedule', 'plannedRounds', plannedRounds, 1);
  requireCount('intervalSchedule', 'round', round, 0);
  if (round >= numRounds) {
    throw fault('round', `less than numRounds ${numRounds}`, round, 'Raise `numRounds`');
  }
  const steps = trainedStepsAt(spec, round, numInferenceSteps, plannedRounds);
  const trainedSteps = steps.filter((step) => step < noisySteps);
  if (trainedSteps.length === 0) {
    const thing = `${spec.mode} at round ${round}`;
    throw fault(thing, `a step before ${noisySteps}, which draws no noise`, at(steps, 0), 'Train more steps');
  }
  return { round, firstStep: at(trainedSteps, 0), numSteps: numInferenceSteps, trainedSteps };
}

/**
 * Maps the round that begins to its interval (backward progressive training: the interval grows from the last
 * sampler steps toward earlier ones; MixGRPO: a window that moves the other way).
 *
 * ```
 * source  0--0--1--2--|
 * result  a-----b--c--|
 * ```
 *
 * Time: emits at once, and once per round: a repeated round is skipped. Completes and errs with the source; buffers nothing.
 * Errors: as `trainingIntervalAt`; all rounds of a spec without a function are checked at call time.
 *
 * Example:
 * ```js
 * const spec = { mode: 'floor-linear', first: 1, last: 2 };
 * const result$ = of(0, 1).pipe(
 *   intervalSchedule({ spec, numInferenceSteps: 4, numRounds: 2 }),
 *   map(({ trainedSteps }) => trainedSteps),
 * );
 * // [[3], [2, 3]]
 * ```
 */
export function intervalSchedule(
  options: IntervalScheduleOptions,
): OperatorFunction<number, TrainingInterval> {
  const { spec, numRounds } = options;
  requireCount('intervalSchedule', 'numRounds', numRounds, 1);
  const intervalAt = (round: number) => trainingIntervalAt(round, options);
  if (spec.mode !== 'function') for (let round = 0; round < numRounds; round += 1) intervalAt(round);
  return pipe(distinctUntilChanged(), map(intervalAt));
}

function trainedStepsAt(spec: IntervalSpec, round: number, numSteps: number, planned: number): number[] {
  const checked = (steps: number): number => {
    if (Number.isInteger(steps) && steps >= 1 && steps <= numSteps) return steps;
    const expected = `a whole number of steps in 1..${numSteps}`;
    throw fault(`${spec.mode} at round ${round}`, expected, steps, 'Train at most `numInferenceSteps` steps');
  };
  const share = (entries: number) => Math.floor((Math.min(round, planned - 1) * entries) / planned);
  switch (spec.mode) {
    case 'floor-linear':
      requireGrowth(spec);
      return lastSteps(checked(spec.first + share(spec.last - spec.first + 1)), numSteps);
    case 'list':
      // An empty list has no entry at any round: NaN is refused with the place in the text.
      return lastSteps(checked(spec.phases[share(spec.phases.length)] ?? Number.NaN), numSteps);
    case 'constant':
      return lastSteps(checked(spec.steps), numSteps);
    case 'sparse': {
      const toGo = spec.phases.slice(0, share(spec.phases.length) + 1);
      if (toGo.length === 0) checked(Number.NaN);
      return [...new Set(toGo.map((steps) => numSteps - checked(steps)))].sort((a, b) => a - b);
    }
    case 'window': {
      requireCount('intervalSchedule', 'everyRounds', spec.everyRounds, 1);
      const { from = 0, until = numSteps, order } = spec;
      const starts = Math.min(until, numSteps) - from - checked(spec.length) + 1;
      if (starts < 1) throw fault('window', `room for ${spec.length} steps`, until - from, 'Widen it');
      const place = Math.floor(round / spec.everyRounds);
      const chosen =
        order === 'scattered' ? Math.floor(((GOLDEN_RATIO * (place + 1)) % 1) * starts) : place % starts;
      const start = from + chosen;
      return Array.from({ length: spec.length }, (_, index) => start + index);
    }
    case 'correlation':
      requireGrowth(spec);
      return lastSteps(checked(Math.min(spec.first + round, spec.last)), numSteps);
    case 'fraction':
      return Array.from({ length: checked(Math.floor(numSteps * spec.timestepFraction)) }, (_, step) => step);
    case 'function':
      return lastSteps(checked(spec.steps(round)), numSteps);
    case 'module': {
      const place = { round: Math.min(round, planned - 1), numRounds: planned, numInferenceSteps: numSteps };
      const steps = ownStepsAt(spec, place);
      return typeof steps === 'number' ? lastSteps(checked(steps), numSteps) : steps;
    }
    default:
      return spec satisfies never;
  }
}

function requireGrowth({ first, last }: { readonly first: number; readonly last: number }): void {
  if (first > last) throw fault('`first`', `at most \`last\` ${last}`, first, 'Swap them');
}

function lastSteps(count: number, numSteps: number): number[] {
  return Array.from({ length: count }, (_, index) => numSteps - count + index);
}

function fault(thing: string, expected: string, got: number, next: string): TributaryError {
  return new TributaryError(
    'TRIB_OPERATOR',
    `intervalSchedule ${thing}: expected ${expected}, got ${got}. ${next}.`,
  );
}
