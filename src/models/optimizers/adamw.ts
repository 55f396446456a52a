/** @file The AdamW optimizer, and the learning rate over a run. */

import { TributaryError } from '../../errors.js';

/** Parameters, gradients or moments by parameter name. */
export type NamedArrays = Readonly<Record<string, Float32Array>>;

export interface AdamWOptions {
  /** η, above 0. */
  readonly learningRate: number;
  /** Decay of the first and second moments, in [0, 1); default 0.9 and 0.999. */
  readonly adamBeta1?: number;
  readonly adamBeta2?: number;
  /** Added to the root of the second moment; default 1e-8. */
  readonly adamEpsilon?: number;
  /** λ, at least 0; default 0.01. */
  readonly weightDecay?: number;
  /** Factor of η for a parameter; default 1 for all. */
  readonly learningRateScale?: (name: string) => number;
}

/** The optimizer's state between steps. Plain data: it can be sent to a thread and written to a file. */
export interface AdamWState {
  /** Steps taken. */
  readonly step: number;
  readonly firstMoments: NamedArrays;
  readonly secondMoments: NamedArrays;
}

/** Returns the state before the first step: zero moments with the parameters' names and lengths. */
export function initialAdamWState(parameters: NamedArrays): AdamWState {
  const zeros = () =>
    Object.fromEntries(
      Object.entries(parameters).map(([name, { length }]) => [name, new Float32Array(length)]),
    );
  return { step: 0, firstMoments: zeros(), secondMoments: zeros() };
}

/**
 * Takes one AdamW step and returns new parameters and a new state; the arguments stay unchanged.
 *
 * Equation (Loshchilov and Hutter 2019, algorithm 2, as PyTorch's `torch.optim.AdamW`; step t counts from 1):
 *   p ← p·(1 - ηλ);  m ← β₁m + (1-β₁)g;  v ← β₂v + (1-β₂)g²;  p ← p - η/(1-β₁ᵗ) · m / (√v/√(1-β₂ᵗ) + adamEpsilon)
 *
 * Departure: every stored value is rounded to float32 once; in between it is float64 (PyTorch: float32 throughout).
 *
 * Errors: TRIB_INTERNAL if gradients or moments do not have the parameters' names and lengths.
 */
export function adamWStep(
  parameters: NamedArrays,
  gradients: NamedArrays,
  state: AdamWState,
  options: AdamWOptions,
): { readonly parameters: NamedArrays; readonly state: AdamWState } {
  const {
    learningRate,
    adamBeta1 = 0.9,
    adamBeta2 = 0.999,
    adamEpsilon = 1e-8,
    weightDecay = 0.01,
    learningRateScale = () => 1,
  } = options;
  const step = state.step + 1;
  const rootCorrection = Math.sqrt(1 - adamBeta2 ** step);
  const newParameters: Record<string, Float32Array> = {};
  const firstMoments: Record<string, Float32Array> = {};
  const secondMoments: Record<string, Float32Array> = {};
  for (const [name, values] of Object.entries(parameters)) {
    const rate = learningRate * learningRateScale(name);
    const stepSize = rate / (1 - adamBeta1 ** step);
    const kept = 1 - rate * weightDecay;
    const gradient = sameLength('gradient', name, gradients, values.length);
    const oldFirst = sameLength('first moment', name, state.firstMoments, values.length);
    const oldSecond = sameLength('second moment', name, state.secondMoments, values.length);
    const newValues = new Float32Array(values.length);
    const first = new Float32Array(values.length);
    const second = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const slope = gradient[i]!;
      const m = adamBeta1 * oldFirst[i]! + (1 - adamBeta1) * slope;
      const v = adamBeta2 * oldSecond[i]! + (1 - adamBeta2) * slope * slope;
      newValues[i] = kept * values[i]! - (stepSize * m) / (Math.sqrt(v) / rootCorrection + adamEpsilon);
      first[i] = m;
      second[i] = v;
    }
    newParameters[name] = newValues;
    firstMoments[name] = first;
    secondMoments[name] = second;
  }
  return { parameters: newParameters, state: { step, firstMoments, secondMoments } };
}

/** How the learning rate changes over a run. */
export type LearningRateSchedule = 'constant' | 'linear';

/**
 * Returns the factor of the learning rate in a round: 1, or with `linear` a line from 1 in the first round toward 0 after the
 * planned one, so that the noise of the last updates averages out, but not below `floor`. A longer run keeps the factor of the
 * last planned round.
 */
export function learningRateFactor(
  schedule: LearningRateSchedule,
  round: number,
  plannedRounds: number,
  floor = 0,
): number {
  if (schedule === 'constant') return 1;
  return Math.max(floor, 1 - Math.min(round, plannedRounds - 1) / plannedRounds);
}

function sameLength(what: string, name: string, arrays: NamedArrays, length: number): Float32Array {
  const array = arrays[name];
  if (array?.length === length) return array;
  throw new TributaryError(
    'TRIB_INTERNAL',
    `adamWStep ${what} of "${name}": expected ${length} values, got ${array?.length ?? 'none'}. ` +
      'Pass the gradients and the state of these parameters.',
  );
}
