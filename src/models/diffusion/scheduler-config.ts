/** @file `scheduler/scheduler_config.json` as diffusers writes it, and the part of it that Tributary obeys. */
import { z } from 'zod';
import { readJsonFile } from '../files/json-file.js';

export type BetaSchedule = 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';
export type PredictionType = 'epsilon' | 'sample' | 'v_prediction';
export type TimestepSpacing = 'leading' | 'trailing' | 'linspace';

/** How much noise each training timestep holds, what the network predicts, and which timesteps a sampler visits. */
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

const whole = (least: number) => {
  const error = `expected an integer of at least ${least}`;
  return z.int({ error }).min(least, { error });
};
const fraction = () => {
  const error = 'expected a number in (0, 1)';
  return z.number({ error }).gt(0, { error }).lt(1, { error });
};
const oneOf = <const Values extends readonly string[]>(values: Values) =>
  z.enum(values, { error: `expected one of ${values.join(', ')}` });
const only = <const Value extends boolean | null>(value: Value, why: string) =>
  z.literal(value, { error: `expected ${value} (${why})` });

const schedulerSchema = z.object(
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
  },
  { error: 'expected an object' },
);

/**
 * Reads a scheduler_config.json. The class it names is not looked at: like `DDIMScheduler.from_config`, every config is
 * read as a DDIM one, keys that are not listed in SchedulerConfig are ignored and missing keys take DDIMScheduler's
 * defaults.
 *
 * Deviation: a missing `clip_sample` means false (diffusers: true), because latents have no natural bound and the
 * policy's mean must stay linear in the network's output; an explicit true is refused.
 *
 * Errors: TRIB_MODEL, naming the file and the key.
 */
export async function readSchedulerConfig(path: string): Promise<SchedulerConfig> {
  const config = await readJsonFile(path, schedulerSchema, {
    code: 'TRIB_MODEL',
    nextStep: 'Correct the file, or export the pipeline again with a DDIM scheduler.',
  });
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

/** The content of the scheduler_config.json that reads back as this config, in diffusers and here. */
export function schedulerConfigJson(config: SchedulerConfig): Readonly<Record<string, unknown>> {
  return {
    _class_name: 'DDIMScheduler',
    num_train_timesteps: config.numTrainTimesteps,
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
