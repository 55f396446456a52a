import { TributaryError } from '../../errors.js';
import { type InferenceStep, inferenceTimesteps } from './inference-timesteps.js';
import type { NoiseSchedule } from './noise-schedule.js';

/** Everything about one sampler step that does not depend on the latents. All numbers are float64. */
export interface StepCoefficients extends InferenceStep {
  /** ᾱ at the timestep, and at the noise level that the step arrives at. */
  readonly alphaProdT: number;
  readonly alphaProdPrev: number;
  /** σ: standard deviation of the noise that the step adds; 0 where the step is deterministic. */
  readonly stdDevT: number;
  /** a and k in prevSampleMean = a·latents + k·modelOutput. */
  readonly sampleCoefficient: number;
  readonly outputCoefficient: number;
  /** W = (k/σ)²: how strongly a change of the network's output moves the mean, in units of σ. Infinity if σ = 0. */
  readonly klWeight: number;
}

/**
 * Returns the DDIM coefficients of one sampler step.
 *
 * Equation (Song, Meng, Ermon 2021, equations 12 and 16; p the predecessor of t):
 *   σ = eta · √((1-ᾱ_p)/(1-ᾱ_t) · (1 - ᾱ_t/ᾱ_p)),  μ = √ᾱ_p · x̂₀ + √(1 - ᾱ_p - σ²) · ε̂
 * where x̂₀ and ε̂ are linear in the latents x and the network's output for every prediction type, hence μ = a·x + k·out:
 *   epsilon       x̂₀ = (x - √(1-ᾱ_t)·out)/√ᾱ_t    ε̂ = out
 *   sample        x̂₀ = out                         ε̂ = (x - √ᾱ_t·out)/√(1-ᾱ_t)
 *   v_prediction  x̂₀ = √ᾱ_t·x - √(1-ᾱ_t)·out      ε̂ = √ᾱ_t·out + √(1-ᾱ_t)·x
 *
 * The last step has no predecessor. With eta > 0 it arrives at ᾱ_0, whatever `setAlphaToOne` says: ddpo-pytorch and
 * the B²-DiffuRL release clamp the predecessor to 0 in the same way, and ᾱ_p = 1 would make σ = 0 and the log-prob
 * infinite. Deviation: where that clamp would leave nothing to do (t = 0, so ᾱ_p = ᾱ_t), and with eta = 0, it arrives
 * at `finalAlphaCumprod`, as in diffusers. σ is never replaced by a small number: a step with σ = 0 is deterministic and
 * has no log-prob; `requireLogProb` refuses to train on it.
 *
 * @param eta - in [0, 1]: 0 deterministic, 1 as noisy as DDPM.
 * Errors: TRIB_CONFIG if eta is outside [0, 1].
 */
export function stepCoefficients(
  schedule: NoiseSchedule,
  step: InferenceStep,
  eta: number,
): StepCoefficients {
  if (!(eta >= 0 && eta <= 1)) {
    throw new TributaryError(
      'TRIB_CONFIG',
      `eta: expected a number in [0, 1], got ${eta}. Train with eta: 1.`,
    );
  }
  const alphaProdT = schedule.alphasCumprod[step.timestep]!;
  const alphaProdPrev = arrivalAlpha(schedule, step, eta);
  const variance = ((1 - alphaProdPrev) / (1 - alphaProdT)) * (1 - alphaProdT / alphaProdPrev);
  const stdDevT = eta * Math.sqrt(Math.max(0, variance));

  const signal = Math.sqrt(alphaProdT);
  const noise = Math.sqrt(1 - alphaProdT);
  const towardsSample = Math.sqrt(alphaProdPrev);
  // Zero in exact arithmetic where the schedule reaches its ends; rounding must not make it negative.
  const towardsNoise = Math.sqrt(Math.max(0, 1 - alphaProdPrev - stdDevT ** 2));
  const { sampleCoefficient, outputCoefficient } = linearForm();
  const klWeight = stdDevT === 0 ? Number.POSITIVE_INFINITY : (outputCoefficient / stdDevT) ** 2;
  return { ...step, alphaProdT, alphaProdPrev, stdDevT, sampleCoefficient, outputCoefficient, klWeight };

  function linearForm(): Pick<StepCoefficients, 'sampleCoefficient' | 'outputCoefficient'> {
    switch (schedule.config.predictionType) {
      case 'epsilon':
        return {
          sampleCoefficient: towardsSample / signal,
          outputCoefficient: towardsNoise - (towardsSample * noise) / signal,
        };
      case 'sample':
        return {
          sampleCoefficient: towardsNoise / noise,
          outputCoefficient: towardsSample - (towardsNoise * signal) / noise,
        };
      case 'v_prediction':
        return {
          sampleCoefficient: towardsSample * signal + towardsNoise * noise,
          outputCoefficient: towardsNoise * signal - towardsSample * noise,
        };
      default:
        return schedule.config.predictionType satisfies never;
    }
  }
}

/** The coefficients of every step of a sampler, noisiest first: `stepCoefficients` over `inferenceTimesteps`. */
export function samplerCoefficients(
  schedule: NoiseSchedule,
  numInferenceSteps: number,
  eta: number,
): readonly StepCoefficients[] {
  return inferenceTimesteps(schedule, numInferenceSteps).map((step) => stepCoefficients(schedule, step, eta));
}

/**
 * Checks that every step in a training interval draws from a Gaussian, so that its log-prob is finite.
 *
 * Errors: TRIB_CONFIG, naming the first deterministic step at or after `firstStep`.
 */
export function requireLogProb(coefficients: readonly StepCoefficients[], firstStep: number): void {
  const deterministic = coefficients.slice(firstStep).find(({ stdDevT }) => stdDevT === 0);
  if (deterministic === undefined) return;
  throw new TributaryError(
    'TRIB_CONFIG',
    `sampler step ${deterministic.stepIndex} (timestep ${deterministic.timestep}): expected a noisy step, ` +
      'because it is trained, got stdDevT 0. Set eta above 0, and steps_offset: 1 or timestep_spacing: trailing in ' +
      'scheduler_config.json.',
  );
}

function arrivalAlpha(
  schedule: NoiseSchedule,
  { timestep, prevTimestep }: InferenceStep,
  eta: number,
): number {
  if (prevTimestep >= 0) return schedule.alphasCumprod[prevTimestep]!;
  return eta > 0 && timestep > 0 ? schedule.alphasCumprod[0]! : schedule.finalAlphaCumprod;
}
