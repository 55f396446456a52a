/** @file The optimizer steps of a round. */

import { at, named } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { isFlow } from '../diffusion/noise-schedule.js';
import { stochasticCoefficients } from '../diffusion/stochastic-steps.js';
import type { Engine, Provider } from '../engines/contract/engine.js';
import { stepWeights } from '../objectives/step-weights.js';
import { type AdamWState, adamWStep, learningRateFactor, type NamedArrays } from '../optimizers/adamw.js';
import { clipGradNorm } from '../optimizers/clip-grad-norm.js';
import { emaStep } from '../optimizers/ema.js';
import {
  initialLossScale,
  LEAST_LOSS_SCALE,
  type LossScaleState,
  nextLossScale,
} from '../optimizers/loss-scale.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { PolicyGraph } from './policy-graph.js';
import { push, type ReplayBuffer } from './replay-buffer.js';
import { type StepPlan, transitionsOf, transitionUnits } from './step-rows.js';
import type { TextPolicy } from './text-policy.js';
import type { TrainerSettings } from './trainer-settings.js';
import type { RowUnit, TrainingSample } from './training-rows.js';
import { openTrainingRuns, type SizedGraph, type TrainingRuns } from './training-runs.js';
import {
  createTrainingStatistics,
  type TrainingStatistics,
  type TrainingStatisticsCollector,
} from './training-statistics.js';
import { updateUnits } from './update-units.js';
import type { ValueBaseline } from './value-baseline.js';

export interface RoundOfSamples {
  readonly samples: readonly TrainingSample[];
  readonly trainedSteps: readonly number[];
  readonly round: number;
  /** Factor of the scheduled learning rate, which an alarm may have lowered; 1 if none has. */
  readonly learningRateScale: number;
}

export interface PolicyState {
  readonly parameters: NamedArrays;
  /** What the sampler uses: the parameters themselves, or an average of them. */
  readonly samplingParameters: NamedArrays;
  /** Their moving average (`emaDecay`), which is shipped; absent without one. */
  readonly ema?: NamedArrays;
  /** Those that the run started from; absent unless they are the reference. */
  readonly start?: NamedArrays;
  readonly optimizer: AdamWState;
  readonly replay: ReplayBuffer;
  /** In half precision; absent before the first update. */
  readonly lossScale?: LossScaleState;
}

export interface TrainedRound {
  readonly state: PolicyState;
  readonly statistics: TrainingStatistics;
}

export interface Trainer {
  readonly provider: Provider;
  /** As `Executable.sessionThreads`. */
  readonly sessionThreads: number;
  readonly fallbacks: readonly string[];
  /** Takes the optimizer steps of one round (see `updateUnits`); each sums its gradient over all of its rows. */
  train(round: RoundOfSamples, state: PolicyState, signal?: AbortSignal): Promise<TrainedRound>;
  /**
   * log π(x_{i+1} | x_i) of a policy minus what the sampler recorded, for every trained step of weight above 0 of every
   * sample; null where the surrogate has no log-probs. Near 0 for the policy that sampled: the rest is the difference
   * between two graphs of one model.
   */
  logRatios(
    trajectories: Pick<RoundOfSamples, 'samples' | 'trainedSteps'>,
    parameters: NamedArrays,
    signal?: AbortSignal,
  ): Promise<Float32Array | null>;
  release(): Promise<void>;
}

/**
 * Compiles the training graph and returns a trainer over it. `baseline` is subtracted from what a step earned; `text` is there
 * where text encoders are trained; `sized` are the same for samples whose trajectories name a shape.
 */
export async function createTrainer(parts: {
  readonly engine: Engine;
  readonly pipeline: Pipeline;
  readonly policyGraph: PolicyGraph;
  readonly sized?: readonly SizedGraph[];
  readonly settings: TrainerSettings;
  readonly baseline?: ValueBaseline | null;
  readonly text?: TextPolicy | null;
}): Promise<Trainer> {
  const { engine, pipeline, policyGraph, sized = [], settings, baseline = null, text = null } = parts;
  const { surrogate } = policyGraph;
  const { updates } = settings;
  requireOneSchedule(pipeline, sized);
  const runs = await openTrainingRuns(engine, { pipeline, policyGraph }, sized, settings, text);
  const slow = new Set([...policyGraph.adapters, ...(text?.adapters ?? [])].map(({ inputA }) => inputA));
  const learningRateScale = (name: string) => (slow.has(name) ? 1 / settings.loraPlusRatio : 1);

  return {
    provider: runs.provider,
    sessionThreads: runs.sessionThreads,
    fallbacks: runs.fallbacks,
    async train({ samples, trainedSteps, round, learningRateScale: lowered }, state, signal) {
      const plan = stepPlan(pipeline, settings, trainedSteps);
      const statistics = createTrainingStatistics(surrogate.clipRange, plan.coefficients.length);
      const taken = samples.flatMap((sample) => transitionsOf(sample, trainedSteps, round));
      const isReplay = updates.from === 'replay';
      const replay = isReplay ? push(state.replay, taken, updates.capacity) : state.replay;
      const seen = isReplay ? replay : taken;
      if (baseline && seen.length > 0)
        statistics.addValueLoss((await baseline.fit(seen, round, signal)).loss);
      const old = state.samplingParameters;
      const { learningRateSchedule, plannedRounds, learningRateFloor } = settings;
      const factor = learningRateFactor(learningRateSchedule, round, plannedRounds, learningRateFloor);
      const learningRate = settings.learningRate * lowered * factor;
      const { start } = state;
      const update = {
        runs,
        settings,
        statistics,
        old,
        start,
        round,
        learningRate,
        learningRateScale,
        signal,
      };
      const { seed } = settings;
      const roundOfUpdates = { pipeline, surrogate, plan, seed, round, samples, replay, baseline, signal };
      const { parameters, optimizer, lossScale = initialLossScale(settings.lossScale) } = state;
      let learned: Learned = { parameters, optimizer, lossScale };
      let { ema } = state;
      for await (const units of updateUnits(roundOfUpdates, updates))
        if (units.length > 0) {
          const { step } = learned.optimizer;
          learned = await takeStep(learned, units, update);
          // Not after an update that half precision skipped.
          if (ema && learned.optimizer.step > step)
            ema = emaStep(ema, learned.parameters, learned.optimizer.step, settings.emaDecay ?? 0);
        }
      const samplingParameters = mix(old, learned.parameters, settings.samplingPolicyDecay);
      return {
        state: {
          parameters: learned.parameters,
          samplingParameters,
          optimizer: learned.optimizer,
          replay,
          ...(ema && { ema }),
          ...(start && { start }),
          ...(runs.isScaled && { lossScale: learned.lossScale }),
        },
        statistics: statistics.result(runs.isScaled ? learned.lossScale.scale : null),
      };
    },
    async logRatios({ samples, trainedSteps }, parameters, signal) {
      if (surrogate.trainsOn === 'denoising') return null;
      const transitions = samples.flatMap((sample) => transitionsOf(sample, trainedSteps, 0));
      const units = transitionUnits(transitions, null, stepPlan(pipeline, settings, trainedSteps));
      return runs.logRatios(units, parameters, signal);
    },
    release: () => runs.release(),
  };
}

/** Rows of all sizes are made by one schedule. */
function requireOneSchedule({ schedule }: Pipeline, sized: readonly SizedGraph[]): void {
  if (!isFlow(schedule)) return;
  const other = sized.find(
    ({ pipeline }) => isFlow(pipeline.schedule) && pipeline.schedule.shift !== schedule.shift,
  );
  if (!other) return;
  throw new TributaryError(
    'TRIB_CONFIG',
    'stages.sampler.buckets: expected sizes of one shift of the noise levels, got several, as scheduler_config.json sets use_dynamic_shifting. Name one width and height.',
  );
}

/** Weights are those of steps that all draw noise, whichever do. */
function stepPlan(
  { schedule }: Pipeline,
  { sampling, stepWeighting }: TrainerSettings,
  trainedSteps: readonly number[],
): StepPlan {
  const everyStepNoisy = { ...sampling, stochasticSteps: 'all' } as const;
  const allNoisy = stochasticCoefficients(schedule, everyStepNoisy, trainedSteps);
  return {
    coefficients: stochasticCoefficients(schedule, sampling, trainedSteps),
    trainedSteps,
    weights: stepWeights(allNoisy, trainedSteps, stepWeighting),
  };
}

/** What an optimizer step changes. */
type Learned = Required<Pick<PolicyState, 'parameters' | 'optimizer' | 'lossScale'>>;

interface UpdateOfRound {
  readonly runs: TrainingRuns;
  readonly settings: TrainerSettings;
  readonly statistics: TrainingStatisticsCollector;
  /** The policy that sampled the round. */
  readonly old: NamedArrays;
  readonly start: NamedArrays | undefined;
  readonly round: number;
  readonly learningRate: number;
  readonly learningRateScale: (name: string) => number;
  readonly signal: AbortSignal | undefined;
}

/** Takes one optimizer step. In half precision, a gradient that is not finite only lowers the loss scale. */
async function takeStep(
  { parameters, optimizer, lossScale }: Learned,
  units: readonly RowUnit[],
  { runs, settings, statistics, old, start, round, learningRate, learningRateScale, signal }: UpdateOfRound,
): Promise<Learned> {
  const { isScaled } = runs;
  const policy = { parameters, old, start, scale: isScaled ? lossScale.scale : 1 };
  const { loss, gradients } = await runs.sumGradients(units, policy, statistics, signal);
  const { gradients: clipped, gradNorm } = clipGradNorm(gradients, settings.maxGradNorm);
  const isSkipped = !Number.isFinite(gradNorm);
  if (isSkipped && !isScaled) throw diverged(round);
  if (isScaled && !Number.isFinite(loss)) throw overflowed(round, loss);
  const nextScale = isScaled ? nextLossScale(lossScale, isSkipped, settings.lossScale) : lossScale;
  if (isScaled && nextScale.scale < LEAST_LOSS_SCALE) throw unscalable(round);
  if (isSkipped) {
    statistics.addSkippedUpdate();
    return { parameters, optimizer, lossScale: nextScale };
  }
  const rates = { ...settings, learningRate, learningRateScale };
  const stepped = adamWStep(parameters, clipped, optimizer, rates);
  statistics.addUpdate(loss, gradNorm);
  return { parameters: stepped.parameters, optimizer: stepped.state, lossScale: nextScale };
}

/** DiffusionNFT's slow policy: `decay` of the policy before, the rest of the trained one. */
function mix(before: NamedArrays, now: NamedArrays, decay: number): NamedArrays {
  if (decay === 0) return now;
  const mixed = (name: string, values: Float32Array) => {
    const old = named(before, name);
    return values.map((value, index) => decay * at(old, index) + (1 - decay) * value);
  };
  return Object.fromEntries(Object.entries(now).map(([name, values]) => [name, mixed(name, values)]));
}

/** Activations overflow whatever the scale of the loss. */
function overflowed(round: number, loss: number): TributaryError {
  return new TributaryError(
    'TRIB_ENGINE',
    `round ${round}: expected a finite loss, got ${loss}: the network's activations are beyond what half precision holds, or its parameters are not numbers. Set model.precision: float32, or start anew with a smaller learningRate and another --run-dir; the last checkpoint is kept.`,
  );
}

function unscalable(round: number): TributaryError {
  return new TributaryError(
    'TRIB_ENGINE',
    `round ${round}: expected a finite gradient at some loss scale, got none down to ${LEAST_LOSS_SCALE}. Start anew with a smaller learningRate, or model.precision: float32, and another --run-dir; the last checkpoint is kept.`,
  );
}

function diverged(round: number): TributaryError {
  return new TributaryError(
    'TRIB_ENGINE',
    `round ${round}: expected a finite gradient, got one with NaN or Infinity. Start anew with a smaller learningRate and another --run-dir; the last checkpoint is kept.`,
  );
}
