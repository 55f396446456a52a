/** @file Reading `scheduler/scheduler_config.json` as diffusers writes it. */
import * as z from 'zod';
import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { MOST_SHIFT } from '../../diffusion/dynamic-shift.js';
import { createNoiseSchedule } from '../../diffusion/noise-schedule.js';
import type {
  AnySchedulerConfig,
  FlowSchedulerConfig,
  SchedulerConfig,
} from '../../diffusion/scheduler-config.js';
import { type JsonFile, readJsonFile } from '../../files/json-file.js';
import { flag, integer, named, objectOf, within } from '../../networks/config-fields.js';
import { correct, NO_CORRECTIONS, type PipelineCorrections } from './pipeline-corrections.js';
import { type SchedulerFamily, schedulerFamily } from './scheduler-classes.js';

/** A schedule's table has an entry for each; published models have 1000. */
const MOST_TRAIN_TIMESTEPS = 100_000;

const fraction = () => {
  const error = 'expected a number in (0, 1)';
  return z.number({ error }).gt(0, { error }).lt(1, { error });
};
const only = <const Value extends boolean | null>(value: Value, why: string) =>
  z.literal(value, { error: `expected ${value} (${why})` });

const classSchema = objectOf({ _class_name: z.string().catch('') });

const ddimSchema = objectOf({
  num_train_timesteps: integer(2, MOST_TRAIN_TIMESTEPS).default(1000),
  beta_start: fraction().default(0.0001),
  beta_end: fraction().default(0.02),
  beta_schedule: named(['linear', 'scaled_linear', 'squaredcos_cap_v2']).default('linear'),
  prediction_type: named(['epsilon', 'sample', 'v_prediction']).default('epsilon'),
  timestep_spacing: named(['leading', 'trailing', 'linspace']).default('leading'),
  steps_offset: integer(0, MOST_TRAIN_TIMESTEPS).optional(),
  set_alpha_to_one: flag().default(true),
  clip_sample: flag().default(false),
  thresholding: only(false, 'a thresholded step has no Gaussian policy mean').default(false),
  rescale_betas_zero_snr: flag().default(false),
  trained_betas: only(null, 'only named schedules are read').default(null),
  use_flow_sigmas: only(false, 'a flow is read from FlowMatchEulerDiscreteScheduler').default(false),
  timestep_type: z
    .literal('discrete', { error: 'expected discrete (the network takes training timesteps)' })
    .default('discrete'),
});

const MOST_MU = 100;
const tokens = () => integer(1, 1_000_000_000);
const flowSchema = objectOf({
  num_train_timesteps: integer(2, MOST_TRAIN_TIMESTEPS).default(1000),
  shift: within(1 / MOST_SHIFT, MOST_SHIFT).default(1),
  use_dynamic_shifting: flag().default(false),
  base_shift: within(-MOST_MU, MOST_MU).default(0.5),
  max_shift: within(-MOST_MU, MOST_MU).default(1.15),
  base_image_seq_len: tokens().default(256),
  max_image_seq_len: tokens().default(4096),
  time_shift_type: named(['exponential', 'linear']).default('exponential'),
  shift_terminal: z
    .union([z.literal(0), fraction(), z.null()], { error: 'expected a number in [0, 1) or null' })
    .default(null),
  use_karras_sigmas: flag().default(false),
  use_exponential_sigmas: flag().default(false),
  use_beta_sigmas: flag().default(false),
  invert_sigmas: only(false, 'noise must grow with sigma').default(false),
  stochastic_sampling: only(
    false,
    'the config of a run decides on the noise; `sde: cps` with `eta: 1` takes the same steps',
  ).default(false),
});
const SPACINGS = ['karras', 'exponential', 'beta'] as const;

/** What else a folder says of its scheduler. */
interface SchedulerContext extends PipelineCorrections {
  /** The class that model_index.json names, which is the one that diffusers makes; null where it names none. */
  readonly schedulerClass: string | null;
}

/**
 * Reads a scheduler_config.json as diffusers does. The class that model_index.json names, or else the file, decides whether
 * it is read as `FlowMatchEulerDiscreteScheduler` or as `DDIMScheduler.from_config` would (`schedulerFamily`); without a class
 * it is DDIM's. Keys that the schemas above do not list are ignored, such as a spacing of sigmas, which belongs to another
 * sampler. Missing keys take the defaults of diffusers' DDIM, such as `set_alpha_to_one: true`, whatever the class. Values
 * that the folder's pipeline corrects are corrected (`correct`).
 *
 * Departure: a missing `clip_sample` means false (diffusers: true), because latents have no natural bound and the
 * policy's mean must stay linear in the network's output; an explicit true that no pipeline corrects is refused.
 *
 * Errors: TRIB_MODEL, naming the file and the key.
 */
export async function readSchedulerConfig(
  path: JsonFile,
  context: SchedulerContext = { ...NO_CORRECTIONS, schedulerClass: null },
): Promise<AnySchedulerConfig> {
  const { _class_name: className } = await readJsonFile(path, classSchema, FAULTS);
  if (familyOf(path, className, context.schedulerClass) === 'flow') {
    const nextStep =
      'Correct the file, or export the pipeline again with a plain FlowMatchEulerDiscreteScheduler.';
    return flowConfig(path, await readJsonFile(path, flowSchema, { ...FAULTS, nextStep }));
  }
  const written = await readJsonFile(path, ddimSchema, FAULTS);
  if (correct(context, 'clip_sample', path, [written.clip_sample, false]))
    throw unfit(`${path} clip_sample: expected false (a clipped step has no Gaussian policy mean), got true`);
  const config: SchedulerConfig = {
    numTrainTimesteps: written.num_train_timesteps,
    betaStart: written.beta_start,
    betaEnd: written.beta_end,
    betaSchedule: written.beta_schedule,
    predictionType: written.prediction_type,
    timestepSpacing: written.timestep_spacing,
    // A missing value is 0 for `from_config` too, though a pipeline corrects one that is written.
    stepsOffset:
      written.steps_offset === undefined
        ? 0
        : correct(context, 'steps_offset', path, [written.steps_offset, 1]),
    setAlphaToOne: written.set_alpha_to_one,
    ...(written.rescale_betas_zero_snr && { zeroTerminalSnr: true }),
  };
  if (config.zeroTerminalSnr && config.predictionType === 'epsilon') {
    const expected =
      'v_prediction or sample, because rescale_betas_zero_snr leaves nothing of the picture at the last timestep';
    throw unfit(`${path} prediction_type: expected ${expected}, got "epsilon"`);
  }
  requireUsable(path, config);
  return config;
}

/** `shift_terminal: 0` is no terminal shift, as in diffusers. */
function flowConfig(path: JsonFile, written: z.output<typeof flowSchema>): FlowSchedulerConfig {
  const spacings = SPACINGS.filter((name) => written[`use_${name}_sigmas`]);
  const [sigmaSpacing] = spacings;
  if (spacings.length > 1) {
    const keys = spacings.map((name) => `use_${name}_sigmas`).join(', ');
    throw unfit(`${path} ${keys}: expected at most one of them true, got ${spacings.length}`);
  }
  const { base_image_seq_len: baseTokens, max_image_seq_len: maxTokens } = written;
  if (written.use_dynamic_shifting && maxTokens <= baseTokens)
    throw unfit(
      `${path} max_image_seq_len: expected more than base_image_seq_len ${baseTokens}, got ${maxTokens}`,
    );
  const dynamicShift = {
    type: written.time_shift_type,
    baseShift: written.base_shift,
    maxShift: written.max_shift,
    ...{ baseTokens, maxTokens },
  };
  return {
    predictionType: 'flow',
    numTrainTimesteps: written.num_train_timesteps,
    shift: written.shift,
    ...(written.use_dynamic_shifting && { dynamicShift }),
    ...(written.shift_terminal && { shiftTerminal: written.shift_terminal }),
    ...(sigmaSpacing && { sigmaSpacing }),
  };
}

const FAULTS = {
  code: 'TRIB_MODEL',
  nextStep: 'Correct the file, or export the pipeline again with a DDIM scheduler.',
} as const;

const unfit = (text: string) => new TributaryError(FAULTS.code, `${text}. ${FAULTS.nextStep}`);

/** Of the class that model_index.json names, or else the file; where both name one, their families must agree. */
function familyOf(path: JsonFile, className: string, indexClass: string | null): SchedulerFamily {
  const names = [
    [`${path} _class_name`, className],
    [`${path}, which model_index.json calls`, indexClass ?? ''],
  ].filter(([, name]) => name !== '') as [string, string][];
  const families = names.map(([place, name]) => {
    const family = schedulerFamily(name);
    if (typeof family === 'string') return family;
    const text = `${place}: expected ${family.expected}, got ${family.got}. ${family.nextStep}`;
    throw new TributaryError('TRIB_MODEL', text);
  });
  const [family = 'ddim', other = family] = families;
  if (family === other) return family;
  throw unfit(`${path} _class_name: expected ${indexClass} as in model_index.json, got "${className}"`);
}

/** Least share of the picture at the noisiest timestep, and of noise at the least noisy one: steps divide by both. */
const LEAST_SIGNAL = 1e-18;
const LEAST_NOISE = 1e-9;

function requireUsable(path: JsonFile, config: SchedulerConfig): void {
  const { numTrainTimesteps, stepsOffset } = config;
  if (stepsOffset >= numTrainTimesteps) {
    const expected = `less than num_train_timesteps ${numTrainTimesteps}`;
    throw unfit(`${path} steps_offset: expected ${expected}, got ${stepsOffset}`);
  }
  const { alphasCumprod } = createNoiseSchedule(config);
  const [first, last] = [at(alphasCumprod, 0), at(alphasCumprod, config.zeroTerminalSnr ? -2 : -1)];
  if (1 - first >= LEAST_NOISE && last >= LEAST_SIGNAL) return;
  throw unfit(
    `${path} beta_start, beta_end: expected betas that leave noise at the first timestep and signal at the last, ` +
      `got products of 1 - beta from ${first} to ${last}`,
  );
}
