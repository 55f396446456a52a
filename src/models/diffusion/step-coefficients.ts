import { TributaryError } from '../../errors.js';
import { type DdimStepCoefficients, ddimCoefficients } from './ddim-coefficients.js';
import { type FlowStepCoefficients, flowCoefficients, type SdeName } from './flow-coefficients.js';
import type { StepCoefficients } from './gaussian-step.js';
import { inferenceTimesteps } from './inference-timesteps.js';
import { type DdimSchedule, type FlowSchedule, isFlow, type NoiseSchedule } from './noise-schedule.js';

export type { SdeName } from './flow-coefficients.js';
export type { StepCoefficients } from './gaussian-step.js';

/** The noise of a sampler. */
interface SamplerNoise {
  /** How noisy a stochastic step is: in [0, 1] for DDIM and `cps`, else [0, 2] for flows (the SDE's level); 0: not at all. */
  readonly eta: number;
  /** Which steps are stochastic, by index (0 the noisiest); default: all. The others are taken with eta 0. */
  readonly isStochastic?: (stepIndex: number) => boolean;
  /** How flow models add noise, default `flow-grpo`; DDIM ignores it. */
  readonly sde?: SdeName;
}

/**
 * Returns the coefficients of every step of a sampler, noisiest first: `ddimCoefficients` over `inferenceTimesteps`, or
 * `flowCoefficients`.
 *
 * @param noise a number stands for that eta at every step.
 * Errors: TRIB_CONFIG if numInferenceSteps or eta does not fit the model.
 */
export function samplerCoefficients(
  schedule: DdimSchedule,
  numInferenceSteps: number,
  noise: SamplerNoise | number,
): readonly DdimStepCoefficients[];
export function samplerCoefficients(
  schedule: FlowSchedule,
  numInferenceSteps: number,
  noise: SamplerNoise | number,
): readonly FlowStepCoefficients[];
export function samplerCoefficients(
  schedule: NoiseSchedule,
  numInferenceSteps: number,
  noise: SamplerNoise | number,
): readonly StepCoefficients[];
export function samplerCoefficients(
  schedule: NoiseSchedule,
  numInferenceSteps: number,
  noise: SamplerNoise | number,
): readonly StepCoefficients[] {
  const settings: SamplerNoise = typeof noise === 'number' ? { eta: noise } : noise;
  const { eta, isStochastic = () => true, sde = 'flow-grpo' } = settings;
  requireEta(eta, isFlow(schedule) ? sde : 'ddim');
  const etaAt = (stepIndex: number) => (isStochastic(stepIndex) ? eta : 0);
  if (isFlow(schedule)) {
    return flowCoefficients(schedule, numInferenceSteps, (step) => ({ level: etaAt(step), sde }));
  }
  return inferenceTimesteps(schedule, numInferenceSteps).map((step) =>
    ddimCoefficients(schedule, step, etaAt(step.stepIndex)),
  );
}

/**
 * Checks that every trained step draws from a Gaussian, so that its log-prob is finite.
 *
 * @param steps indices of the trained steps; a number stands for all steps from there on.
 * Errors: TRIB_CONFIG, naming the first deterministic one.
 */
export function requireLogProb(
  coefficients: readonly StepCoefficients[],
  steps: readonly number[] | number,
): void {
  const trained =
    typeof steps === 'number' ? coefficients.slice(steps) : steps.map((index) => coefficients[index]);
  const deterministic = trained.find((step) => step?.stdDevT === 0);
  if (deterministic === undefined) return;
  throw new TributaryError(
    'TRIB_CONFIG',
    `sampler step ${deterministic.stepIndex} (timestep ${deterministic.timestep}): expected a noisy step, ` +
      'because it is trained, got stdDevT 0. Train stochastic steps only: set eta above 0, and leave out a last step that ' +
      'arrives at the clean picture (set_alpha_to_one in scheduler_config.json; every last step of cps).',
  );
}

/** Most noise of a step, and a level to train with. */
const LEVELS = {
  ddim: { most: 1, advice: 'eta: 1' },
  cps: { most: 1, advice: 'eta: 0.8 for cps' },
  'flow-grpo': { most: 2, advice: 'eta: 0.7 for flow-grpo, 0.3 for dance-grpo' },
  'dance-grpo': { most: 2, advice: 'eta: 0.7 for flow-grpo, 0.3 for dance-grpo' },
} as const satisfies Record<SdeName | 'ddim', unknown>;

function requireEta(eta: number, sampler: keyof typeof LEVELS): void {
  const { most, advice } = LEVELS[sampler];
  if (eta >= 0 && eta <= most) return;
  const text = `eta: expected a number in [0, ${most}], got ${eta}. Train with ${advice}.`;
  throw new TributaryError('TRIB_CONFIG', text);
}
