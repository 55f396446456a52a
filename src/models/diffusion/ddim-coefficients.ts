import { type StepCoefficients, withKlWeight } from './gaussian-step.js';
import type { InferenceStep } from './inference-timesteps.js';
import type { DdimSchedule } from './noise-schedule.js';

export interface DdimStepCoefficients extends StepCoefficients {
  /** ᾱ at the timestep, and at the noise level that the step arrives at. */
  readonly alphaProdT: number;
  readonly alphaProdPrev: number;
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
 * The last step has no predecessor and arrives at `finalAlphaCumprod`, as in diffusers: at 1 with `setAlphaToOne`, where
 * σ = 0 for every eta, else at ᾱ_0. The released programs (ddpo-pytorch, B²-DiffuRL) clamp the predecessor to 0, which comes
 * to the same for their models, whose configs say false. σ is never replaced by a small number: a step with σ = 0 is
 * deterministic and has no log-prob. No interval trains it (`noisySteps`), and `requireLogProb` refuses it.
 *
 * @param eta in [0, 1]: 0 deterministic, 1 as noisy as DDPM.
 */
export function ddimCoefficients(
  schedule: DdimSchedule,
  step: InferenceStep,
  eta: number,
): DdimStepCoefficients {
  const alphaProdT = schedule.alphasCumprod[step.timestep]!;
  const alphaProdPrev =
    step.prevTimestep >= 0 ? schedule.alphasCumprod[step.prevTimestep]! : schedule.finalAlphaCumprod;
  const variance = ((1 - alphaProdPrev) / (1 - alphaProdT)) * (1 - alphaProdT / alphaProdPrev);
  const stdDevT = eta * Math.sqrt(Math.max(0, variance));

  const signal = Math.sqrt(alphaProdT);
  const noise = Math.sqrt(1 - alphaProdT);
  const towardSample = Math.sqrt(alphaProdPrev);
  // Zero in exact arithmetic where the schedule reaches its ends; rounding must not make it negative.
  const towardNoise = Math.sqrt(Math.max(0, 1 - alphaProdPrev - stdDevT ** 2));
  return withKlWeight({ ...step, alphaProdT, alphaProdPrev, stdDevT, ...linearForm() });

  function linearForm(): Pick<StepCoefficients, 'sampleCoefficient' | 'outputCoefficient'> {
    switch (schedule.config.predictionType) {
      case 'epsilon':
        return {
          sampleCoefficient: towardSample / signal,
          outputCoefficient: towardNoise - (towardSample * noise) / signal,
        };
      case 'sample':
        return {
          sampleCoefficient: towardNoise / noise,
          outputCoefficient: towardSample - (towardNoise * signal) / noise,
        };
      case 'v_prediction':
        return {
          sampleCoefficient: towardSample * signal + towardNoise * noise,
          outputCoefficient: towardNoise * signal - towardSample * noise,
        };
      default:
        return schedule.config.predictionType satisfies never;
    }
  }
}
