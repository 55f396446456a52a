import { at } from '../../at.js';
import { flowSigmas } from './flow-schedule.js';
import { type StepCoefficients, withKlWeight } from './gaussian-step.js';
import type { FlowSchedule } from './noise-schedule.js';

/** The stochastic samplers of flow models, by the paper that introduced each. */
export type SdeName = 'flow-grpo' | 'dance-grpo' | 'cps';

export interface FlowStepCoefficients extends StepCoefficients {
  /** Noise levels that the step leaves and arrives at: sigma > nextSigma. */
  readonly sigma: number;
  readonly nextSigma: number;
}

/** A step's noise: the level a in [0, 2], for `cps` in [0, 1], and the shape that it scales. Level 0 is the ODE. */
interface FlowNoise {
  readonly level: number;
  readonly sde: SdeName;
}

/**
 * Returns the coefficients of every step of a flow sampler, noisiest first.
 *
 * Equation (σ the noise level, dt = σ_next - σ < 0, v the network's output), for the two SDEs:
 *   μ = x + v·dt - ½·g²·s·dt,  s = -(x + (1-σ)·v)/σ,  std = g·√(-dt)
 * where s is the score of x's distribution according to the network. Hence μ = a·x + k·v with
 *   a = 1 + g²·dt/(2σ),  k = (1 + g²·(1-σ)/(2σ))·dt
 * and g = level·√(σ/(1-σ)) for `flow-grpo` (Flow-GRPO, arXiv 2505.05470), g = level for `dance-grpo` (DanceGRPO, arXiv
 * 2505.07818). With small steps, both keep the distributions of the ODE μ = x + v·dt, which is the step at level 0.
 *
 * At σ = 1, where g of `flow-grpo` is infinite, 1 - σ is taken at the next noise level, as in Flow-GRPO's code. So with a
 * single step, from σ = 1 to 0, g = level. The last step arrives at σ = 0; a stochastic one leaves its noise in the picture.
 *
 * For `cps` (coefficients-preserving sampling, arXiv 2509.05952) see `preservingStep`: its last step is deterministic.
 *
 * @param noiseAt the noise of a step, by its index.
 * Errors: TRIB_CONFIG if numInferenceSteps does not fit the schedule.
 */
export function flowCoefficients(
  schedule: FlowSchedule,
  numInferenceSteps: number,
  noiseAt: (stepIndex: number) => FlowNoise,
): readonly FlowStepCoefficients[] {
  const sigmas = flowSigmas(schedule, numInferenceSteps);
  const { numTrainTimesteps } = schedule.config;
  return sigmas.slice(0, -1).map((sigma, stepIndex) => {
    const nextSigma = at(sigmas, stepIndex + 1);
    return withKlWeight({
      stepIndex,
      timestep: sigma * numTrainTimesteps,
      prevTimestep: nextSigma * numTrainTimesteps,
      sigma,
      nextSigma,
      ...gaussian(noiseAt(stepIndex), sigma, nextSigma),
    });
  });
}

/** What a step draws from. */
type Gaussian = Pick<StepCoefficients, 'stdDevT' | 'sampleCoefficient' | 'outputCoefficient'>;

function gaussian({ level, sde }: FlowNoise, sigma: number, nextSigma: number): Gaussian {
  switch (sde) {
    case 'flow-grpo':
      return sdeStep(level * Math.sqrt(sigma / (1 - (sigma === 1 ? nextSigma : sigma))), sigma, nextSigma);
    case 'dance-grpo':
      return sdeStep(level, sigma, nextSigma);
    case 'cps':
      return preservingStep(level, sigma, nextSigma);
    default:
      return sde satisfies never;
  }
}

/** Of an SDE with g, the standard deviation of the noise in a unit of σ. */
function sdeStep(g: number, sigma: number, nextSigma: number): Gaussian {
  const dt = nextSigma - sigma;
  const pull = g ** 2 / (2 * sigma);
  return {
    stdDevT: g * Math.sqrt(-dt),
    sampleCoefficient: 1 + pull * dt,
    outputCoefficient: (1 + pull * (1 - sigma)) * dt,
  };
}

/**
 * Equation (arXiv 2509.05952, Flow-CPS; x̂_0 = x - σ·v and x̂_1 = x + (1-σ)·v the picture and the noise that v speaks of):
 *   s = σ_next·sin(level·π/2),  μ = (1-σ_next)·x̂_0 + √(σ_next² - s²)·x̂_1,  std = s
 * So the picture keeps the share 1 - σ_next and all noise together the share σ_next, whatever the level and however long the
 * step: an SDE's step adds more noise than the network then expects. Level 0 is the ODE, 1 replaces all of the noise.
 */
function preservingStep(level: number, sigma: number, nextSigma: number): Gaussian {
  const angle = (level * Math.PI) / 2;
  const kept = nextSigma * Math.cos(angle);
  return {
    stdDevT: nextSigma * Math.sin(angle),
    sampleCoefficient: 1 - nextSigma + kept,
    outputCoefficient: kept * (1 - sigma) - (1 - nextSigma) * sigma,
  };
}
