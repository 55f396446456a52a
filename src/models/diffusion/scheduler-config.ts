/** @file The settings of a scheduler that Tributary reads, and the `scheduler_config.json` that holds them. */

type BetaSchedule = 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';
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
  /** Whether the schedule is rescaled so that nothing of the picture is left at the last timestep; default: it is not. */
  readonly zeroTerminalSnr?: boolean;
}

/** A flow matching scheduler: the network predicts the velocity v = n - x_0 on straight lines to the noise n. */
export interface FlowSchedulerConfig {
  readonly predictionType: 'flow';
  /** The network's timestep is σ · numTrainTimesteps. */
  readonly numTrainTimesteps: number;
  /** Above 1, more steps are spent at high noise: σ becomes shift·σ / (1 + (shift - 1)·σ). Not used with `dynamicShift`. */
  readonly shift: number;
  /** The shift by the number of tokens that a picture has; absent where it is the same for all. */
  readonly dynamicShift?: DynamicShift;
  /** The least noise level before the 0 at the end, to which the others are stretched, in (0, 1); absent: as it comes. */
  readonly shiftTerminal?: number;
  /** How the levels between the first and the last lie; absent: evenly, before they are shifted. */
  readonly sigmaSpacing?: SigmaSpacing;
}

export type SigmaSpacing = 'karras' | 'exponential' | 'beta';

/** μ is linear in the tokens of a picture: `baseShift` at `baseTokens`, `maxShift` at `maxTokens`, and on beyond. */
export interface DynamicShift {
  /** Whether the shift is e^μ or μ itself. */
  readonly type: 'exponential' | 'linear';
  readonly baseShift: number;
  readonly maxShift: number;
  readonly baseTokens: number;
  readonly maxTokens: number;
}

/** What a scheduler_config.json may hold; `predictionType` tells the two apart. */
export type AnySchedulerConfig = SchedulerConfig | FlowSchedulerConfig;

/** The class of diffusers that a config is written as, in model_index.json too. */
export function schedulerClass(config: AnySchedulerConfig): string {
  return config.predictionType === 'flow' ? 'FlowMatchEulerDiscreteScheduler' : 'DDIMScheduler';
}

/** The content of the scheduler_config.json that reads back as this config, in diffusers and here. */
export function schedulerConfigJson(config: AnySchedulerConfig): Readonly<Record<string, unknown>> {
  const shared = { _class_name: schedulerClass(config), num_train_timesteps: config.numTrainTimesteps };
  if (config.predictionType === 'flow') {
    return { ...shared, shift: config.shift, ...dynamicShiftJson(config), ...spacingJson(config) };
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
    rescale_betas_zero_snr: config.zeroTerminalSnr ?? false,
    trained_betas: null,
  };
}

function dynamicShiftJson({ dynamicShift }: FlowSchedulerConfig) {
  if (!dynamicShift) return { use_dynamic_shifting: false };
  const { type, baseShift, maxShift, baseTokens, maxTokens } = dynamicShift;
  return {
    use_dynamic_shifting: true,
    time_shift_type: type,
    base_shift: baseShift,
    max_shift: maxShift,
    base_image_seq_len: baseTokens,
    max_image_seq_len: maxTokens,
  };
}

function spacingJson({ shiftTerminal, sigmaSpacing }: FlowSchedulerConfig) {
  return {
    ...(shiftTerminal !== undefined && { shift_terminal: shiftTerminal }),
    ...(sigmaSpacing && { [`use_${sigmaSpacing}_sigmas`]: true }),
  };
}
