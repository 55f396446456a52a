/**
 * @file The forward process: a picture x_0 and noise n make x_t, and the network's output has a target. All of it is
 * linear, so it is given as coefficients, for arrays and graphs alike.
 */
import { TributaryError } from '../../errors.js';
import { shiftSigma } from './flow-schedule.js';
import { isFlow, type NoiseSchedule } from './noise-schedule.js';
import type { PredictionType } from './scheduler-config.js';

/** The forward process at one timestep. All numbers are float64. */
interface ForwardProcess {
  /** x_t = signalScale·x_0 + noiseScale·n. */
  readonly signalScale: number;
  readonly noiseScale: number;
  /** The output that the loss asks for: originalCoefficient·x_0 + noiseCoefficient·n. */
  readonly target: { readonly originalCoefficient: number; readonly noiseCoefficient: number };
  /** x̂_0, the clean picture that an output predicts: latentsCoefficient·x_t + outputCoefficient·output. */
  readonly predOriginalSample: { readonly latentsCoefficient: number; readonly outputCoefficient: number };
}

/**
 * Returns the forward process at a timestep that the network may be given: an integer in 0..T-1; for flow models any
 * number in (0, T], which is σ·T.
 *
 * Equation (s the signal scale, r the noise scale):
 *   DDIM  s = √ᾱ_t, r = √(1-ᾱ_t)    epsilon       target n            x̂_0 = (x_t - r·out)/s
 *                                   sample        target x_0          x̂_0 = out
 *                                   v_prediction  target s·n - r·x_0  x̂_0 = s·x_t - r·out
 *   flow  s = 1-σ, r = σ            flow          target n - x_0      x̂_0 = x_t - r·out
 *
 * Errors: TRIB_INTERNAL if the schedule has no such timestep.
 */
export function forwardProcess(schedule: NoiseSchedule, timestep: number): ForwardProcess {
  requireTimestep(schedule, timestep);
  if (isFlow(schedule)) {
    const sigma = timestep / schedule.config.numTrainTimesteps;
    return {
      signalScale: 1 - sigma,
      noiseScale: sigma,
      target: { originalCoefficient: -1, noiseCoefficient: 1 },
      predOriginalSample: { latentsCoefficient: 1, outputCoefficient: -sigma },
    };
  }
  const alphaProdT = schedule.alphasCumprod[timestep]!;
  const [signalScale, noiseScale] = [Math.sqrt(alphaProdT), Math.sqrt(1 - alphaProdT)];
  const { predictionType } = schedule.config;
  return { signalScale, noiseScale, ...outputMeaning(predictionType, signalScale, noiseScale) };
}

/**
 * Returns the i-th training timestep, i = 0..T-1 from the least noise to the most, as the network takes it: i itself;
 * for flow models σ·T with σ = shift((i + 1)/T), the levels that diffusers trains on.
 *
 * Departure: a dynamic shift is in force here as in sampling; diffusers' scheduler knows no size before it samples.
 */
export function trainingTimestep(schedule: NoiseSchedule, index: number): number {
  if (!isFlow(schedule)) return index;
  const { numTrainTimesteps } = schedule.config;
  return numTrainTimesteps * shiftSigma(schedule, (index + 1) / numTrainTimesteps);
}

function outputMeaning(
  predictionType: PredictionType,
  signal: number,
  noise: number,
): Pick<ForwardProcess, 'target' | 'predOriginalSample'> {
  switch (predictionType) {
    case 'epsilon':
      return {
        target: { originalCoefficient: 0, noiseCoefficient: 1 },
        predOriginalSample: { latentsCoefficient: 1 / signal, outputCoefficient: -noise / signal },
      };
    case 'sample':
      return {
        target: { originalCoefficient: 1, noiseCoefficient: 0 },
        predOriginalSample: { latentsCoefficient: 0, outputCoefficient: 1 },
      };
    case 'v_prediction':
      return {
        target: { originalCoefficient: -noise, noiseCoefficient: signal },
        predOriginalSample: { latentsCoefficient: signal, outputCoefficient: -noise },
      };
    default:
      return predictionType satisfies never;
  }
}

function requireTimestep(schedule: NoiseSchedule, timestep: number): void {
  const { numTrainTimesteps } = schedule.config;
  const isThere = isFlow(schedule)
    ? timestep > 0 && timestep <= numTrainTimesteps
    : schedule.alphasCumprod[timestep] !== undefined;
  if (isThere) return;
  const expected = isFlow(schedule)
    ? `a number in (0, ${numTrainTimesteps}]`
    : `an integer in 0..${numTrainTimesteps - 1}`;
  const text = `forward process timestep: expected ${expected}, got ${timestep}. Take one from trainingTimestep or a sampler step.`;
  throw new TributaryError('TRIB_INTERNAL', text);
}
