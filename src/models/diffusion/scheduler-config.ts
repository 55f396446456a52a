/** @file `scheduler/scheduler_config.json` as diffusers writes it, and the part of it that Tributary obeys. */
import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import { readJsonFile } from '../files/json-file.js';

export type BetaSchedule = 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';
export type PredictionType = 'epsilon' | 'sample' | 'v_prediction';
export type TimestepSpacing = 'leading' | 'trailing' | 'linspace';

/**
 * A scheduler of the DDIM family: how much noise each training timestep holds, what the network predicts, and which
 * timesteps a sampler visits.
 */
export interface SchedulerConfig {
  readonly numTrainTimesteps: number;
  /** First and last noise increment, in (0, 1); not used by squaredcos_cap_v2. */
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: BetaSchedule;
  readonly predictionType: PredictionType;
  readonly timestepSpacing: TimestepSpacing;
  /** Added to every timestep of leading spacing. */
  readonly stepsOffset: number;
  /** Whether what follows the last step is a clean picture (1) or the least noisy training timestep. */
  readonly setAlphaToOne: boolean;
}

/** A flow matching scheduler: the network predicts the velocity v = n - x_0 on straight lines to the noise n. */
export interface FlowSchedulerConfig {
  readonly predictionType: 'flow';
  /** The network is told σ · numTrainTimesteps. */
  readonly numTrainTimesteps: number;
  /** Above 1, more steps are spent at high noise: σ becomes shift·σ / (1 + (shift - 1)·σ). */
  readonly shift: number;
}

/** What a scheduler_config.json may hold; `predictionType` tells the two apart. */
export type AnySchedulerConfig = SchedulerConfig | FlowSchedulerConfig;

const whole = (least: number) => {
  const error = `expected an integer of at least ${least}`;
  return z.int({ error }).min(least, { error });
};
const fraction = () => {
  const error = 'expected a number in (0, 1)';
  return z.number({ error }).gt(0, { error }).lt(1, { error });
};
const above = (bound: number) => {
  const error = `expected a number above ${bound}`;
  return z.number({ error }).gt(bound, { error });
};
const oneOf = <const Values extends readonly string[]>(values: Values) =>
  z.enum(values, { error: `expected one of ${values.join(', ')}` });
const only = <const Value extends boolean | null>(value: Value, why: string) =>
  z.literal(value, { error: `expected ${value} (${why})` });
const object = { error: 'expected an object' };

const classSchema = z.object({ _class_name: z.string().catch('') }, object);

const ddimSchema = z.object(
  {
    num_train_timesteps: whole(2).default(1000),
    beta_start: fraction().default(0.0001),
    beta_end: fraction().default(0.02),
    beta_schedule: oneOf(['linear', 'scaled_linear', 'squaredcos_cap_v2']).default('linear'),
    prediction_type: oneOf(['epsilon', 'sample', 'v_prediction']).default('epsilon'),
    timestep_spacing: oneOf(['leading', 'trailing', 'linspace']).default('leading'),
    steps_offset: whole(0).default(0),
    set_alpha_to_one: z.boolean({ error: 'expected true or false' }).default(true),
    clip_sample: only(false, 'a clipped step has no Gaussian policy mean').default(false),
    thresholding: only(false, 'a thresholded step has no Gaussian policy mean').default(false),
    rescale_betas_zero_snr: only(false, 'the first step would divide by zero').default(false),
    trained_betas: only(null, 'only named schedules are read').default(null),
    use_flow_sigmas: only(false, 'a flow is read from FlowMatchEulerDiscreteScheduler').default(false),
    timestep_type: z
      .literal('discrete', { error: 'expected discrete (the network is told training timesteps)' })
      .default('discrete'),
  },
  object,
);

const OTHER_SPACING = 'only shifted, evenly spaced noise levels are read';
const flowSchema = z.object(
  {
    num_train_timesteps: whole(2).default(1000),
    shift: above(0).default(1),
    use_dynamic_shifting: only(false, 'the shift must not depend on the size of the picture').default(false),
    shift_terminal: only(null, OTHER_SPACING).default(null),
    use_karras_sigmas: only(false, OTHER_SPACING).default(false),
    use_exponential_sigmas: only(false, OTHER_SPACING).default(false),
    use_beta_sigmas: only(false, OTHER_SPACING).default(false),
    invert_sigmas: only(false, 'noise must grow with sigma').default(false),
    stochastic_sampling: only(false, 'noise is the affair of eta and sde').default(false),
  },
  object,
);

/**
 * Schedulers whose models a DDIM sampler samples: they differ in how they step, not in what the network was trained on.
 * Distilled models (LCM, TCD) and those of another preconditioning (EDM) are none of them.
 */
const DDIM_FAMILY: readonly string[] = [
  'DDIMScheduler',
  'DDIMParallelScheduler',
  'DDPMScheduler',
  'DDPMParallelScheduler',
  'DEISMultistepScheduler',
  'DPMSolverMultistepScheduler',
  'DPMSolverSDEScheduler',
  'DPMSolverSinglestepScheduler',
  'EulerAncestralDiscreteScheduler',
  'EulerDiscreteScheduler',
  'HeunDiscreteScheduler',
  'KDPM2AncestralDiscreteScheduler',
  'KDPM2DiscreteScheduler',
  'LMSDiscreteScheduler',
  'PNDMScheduler',
  'UniPCMultistepScheduler',
];

/**
 * Reads a scheduler_config.json. A class whose name begins with `FlowMatch` is read as diffusers'
 * `FlowMatchEulerDiscreteScheduler`; those of the DDIM family (PNDM, DDPM, Euler, DPM-Solver and the like, or no class at
 * all) as `DDIMScheduler.from_config` reads them. Keys that are not
 * listed in the configs above are ignored, a spacing of sigmas (Karras's, say) among them, as it belongs to another sampler;
 * missing keys take diffusers' defaults.
 *
 * Deviation: a missing `clip_sample` means false (diffusers: true), because latents have no natural bound and the
 * policy's mean must stay linear in the network's output; an explicit true is refused.
 *
 * Errors: TRIB_MODEL, naming the file and the key.
 */
export async function readSchedulerConfig(path: string): Promise<AnySchedulerConfig> {
  const faults = {
    code: 'TRIB_MODEL',
    nextStep: 'Correct the file, or export the pipeline again with a DDIM scheduler.',
  } as const;
  const { _class_name: className } = await readJsonFile(path, classSchema, faults);
  if (className.startsWith('FlowMatch')) {
    const nextStep =
      'Correct the file, or export the pipeline again with a plain FlowMatchEulerDiscreteScheduler.';
    const config = await readJsonFile(path, flowSchema, { ...faults, nextStep });
    return { predictionType: 'flow', numTrainTimesteps: config.num_train_timesteps, shift: config.shift };
  }
  if (className !== '' && !DDIM_FAMILY.includes(className)) {
    throw new TributaryError(
      'TRIB_MODEL',
      `${path} _class_name: expected one of ${DDIM_FAMILY.join(', ')}, or FlowMatchEulerDiscreteScheduler, got "${className}". ${faults.nextStep}`,
    );
  }
  const config = await readJsonFile(path, ddimSchema, faults);
  return {
    numTrainTimesteps: config.num_train_timesteps,
    betaStart: config.beta_start,
    betaEnd: config.beta_end,
    betaSchedule: config.beta_schedule,
    predictionType: config.prediction_type,
    timestepSpacing: config.timestep_spacing,
    stepsOffset: config.steps_offset,
    setAlphaToOne: config.set_alpha_to_one,
  };
}

/** The class that a config is written as, in model_index.json too. */
export function schedulerClass(config: AnySchedulerConfig): string {
  return config.predictionType === 'flow' ? 'FlowMatchEulerDiscreteScheduler' : 'DDIMScheduler';
}

/** The content of the scheduler_config.json that reads back as this config, in diffusers and here. */
export function schedulerConfigJson(config: AnySchedulerConfig): Readonly<Record<string, unknown>> {
  const shared = { _class_name: schedulerClass(config), num_train_timesteps: config.numTrainTimesteps };
  if (config.predictionType === 'flow') {
    return { ...shared, shift: config.shift, use_dynamic_shifting: false };
  }
  return {
    ...shared,
    beta_start: config.betaStart,
    beta_end: config.betaEnd,
    beta_schedule: config.betaSchedule,
    prediction_type: config.predictionType,
    timestep_spacing: config.timestepSpacing,
    steps_offset: config.stepsOffset,
    set_alpha_to_one: config.setAlphaToOne,
    clip_sample: false,
    thresholding: false,
    rescale_betas_zero_snr: false,
    trained_betas: null,
  };
}
