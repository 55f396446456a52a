import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import type { DdimSchedule } from './noise-schedule.js';

/** One step of the sampler. */
export interface InferenceStep {
  /** i = 0..numInferenceSteps-1, in the order of execution: 0 is the noisiest. */
  readonly stepIndex: number;
  /** What the network is given: the training timestep, an integer; for flow models σ · numTrainTimesteps, any number. */
  readonly timestep: number;
  /** The timestep whose noise level the step arrives at; negative for the last step, which has none; for flow models 0. */
  readonly prevTimestep: number;
}

/**
 * Returns the training timesteps that a sampler of `numInferenceSteps` visits, noisiest first.
 *
 * Equation (T training timesteps, S steps, ⌊⌋ floor, round half to even), as diffusers' `set_timesteps`:
 * leading: t_i = (S-1-i)·⌊T/S⌋ + stepsOffset; trailing: t_i = round(T - i·T/S) - 1;
 * linspace: t_i = round((S-1-i)·(T-1)/(S-1)). For all three the predecessor is p_i = t_i - ⌊T/S⌋, as in diffusers'
 * DDIM step; only with leading spacing is that always the next step's timestep.
 *
 * Errors: TRIB_CONFIG if numInferenceSteps is not an integer in 1..T, or the offset moves the first timestep past T.
 */
export function inferenceTimesteps(
  schedule: DdimSchedule,
  numInferenceSteps: number,
): readonly InferenceStep[] {
  const { numTrainTimesteps, timestepSpacing, stepsOffset } = schedule.config;
  requireNumInferenceSteps(numInferenceSteps, numTrainTimesteps);
  const stride = Math.floor(numTrainTimesteps / numInferenceSteps);
  const timestepOf = (left: number): number => {
    switch (timestepSpacing) {
      case 'leading':
        return left * stride + stepsOffset;
      case 'trailing':
        return roundHalfToEven((left + 1) * (numTrainTimesteps / numInferenceSteps)) - 1;
      case 'linspace':
        return roundHalfToEven((left * (numTrainTimesteps - 1)) / Math.max(1, numInferenceSteps - 1));
      default:
        return timestepSpacing satisfies never;
    }
  };
  const steps = Array.from({ length: numInferenceSteps }, (_, stepIndex) => {
    const timestep = timestepOf(numInferenceSteps - 1 - stepIndex);
    return { stepIndex, timestep, prevTimestep: timestep - stride };
  });
  const first = at(steps, 0).timestep;
  if (first >= numTrainTimesteps) {
    throw new TributaryError(
      'TRIB_CONFIG',
      `numInferenceSteps ${numInferenceSteps}: expected a first timestep below ${numTrainTimesteps}, got ${first} ` +
        `(steps_offset is ${stepsOffset}). Use fewer steps.`,
    );
  }
  return steps;
}

/** Errors: TRIB_CONFIG if a sampler cannot take that many steps. */
export function requireNumInferenceSteps(numInferenceSteps: number, numTrainTimesteps: number): void {
  const isWhole = Number.isInteger(numInferenceSteps);
  if (isWhole && numInferenceSteps >= 1 && numInferenceSteps <= numTrainTimesteps) return;
  const text = `numInferenceSteps: expected an integer in 1..${numTrainTimesteps}, got ${numInferenceSteps}. Use 10 to 50 steps.`;
  throw new TributaryError('TRIB_CONFIG', text);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
