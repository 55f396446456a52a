/** @file Gradient steps on the adapter, accumulated over runs of the training graph. */

import { TributaryError } from '../../errors.js';
import { usesGuidance } from '../diffusion/guided-output.js';
import { type StochasticSettings, stochasticCoefficients } from '../diffusion/stochastic-steps.js';
import { compileGraph } from '../engines/compile-graph.js';
import type { Engine, Provider, Tensors } from '../engines/contract/engine.js';
import { policyFeeds as feedsOf } from '../graph/weights/policy-feeds.js';
import { parameterNames as namesOf } from '../graph/weights/policy-network.js';
import { type StepWeighting, stepWeights } from '../objectives/step-weights.js';
import {
  type AdamWOptions,
  type AdamWState,
  adamWStep,
  type LearningRateSchedule,
  learningRateFactor,
  type NamedArrays,
} from '../optimizers/adamw.js';
import { clipGradNorm } from '../optimizers/clip-grad-norm.js';
import {
  initialLossScale,
  LEAST_LOSS_SCALE,
  type LossScaleOptions,
  type LossScaleState,
  nextLossScale,
} from '../optimizers/loss-scale.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { float32, float32Data } from '../tensor.js';
import { LOSS_SCALE, type PolicyGraph, type PolicyGraphSettings } from './policy-graph.js';
import { pushed, type ReplayBuffer } from './replay-buffer.js';
import type { StepPlan } from './step-rows.js';
import { transitionsOf, transitionUnits } from './step-rows.js';
import { arranged, minibatches, type RowUnit, rowFeeds } from './training-rows.js';
import type { TrainingSample } from './training-sample.js';
import type { TrainingStatistics } from './training-statistics.js';
import { createTrainingStatistics } from './training-statistics.js';
import { type UpdateSettings, updateUnits } from './update-units.js';
import type { ValueBaseline } from './value-baseline.js';

export interface TrainerSettings extends PolicyGraphSettings {
  readonly seed: number;
  readonly updates: UpdateSettings;
  readonly maxGradNorm: number;
  readonly stepWeighting: StepWeighting;
  /** How the trajectories were sampled. */
  readonly sampling: StochasticSettings;
  readonly optimizer: AdamWOptions;
  readonly learningRateSchedule: LearningRateSchedule;
  /** LoRA+ (Hayou et al. 2024): the learning rate of B over that of A; A learns at learningRate / loraPlusRatio. */
  readonly loraPlusRatio: number;
  /** The sampler's policy after a round is this much of the one before and the rest of the trained one; 0 is the trained one. */
  readonly samplingPolicyDecay: number;
  /** Rounds of the run, over which the learning rate falls. */
  readonly numRounds: number;
  /** Read in half precision. */
  readonly lossScale: LossScaleOptions;
}

/** One round, as the trainer gets it. */
export interface RoundOfSamples {
  readonly samples: readonly TrainingSample[];
  readonly trainedSteps: readonly number[];
  readonly round: number;
  /** What an alarm has lowered the learning rate to, as a share of what the schedule says; 1 where none has. */
  readonly learningRateScale: number;
}

export interface PolicyState {
  readonly parameters: NamedArrays;
  /** What the sampler uses: the parameters themselves, or an average of them. */
  readonly samplingParameters: NamedArrays;
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
  readonly fallbacks: readonly string[];
  /** Takes the optimizer steps of one round (see `updateUnits`); each sums its gradient over all of its rows. */
  train(round: RoundOfSamples, state: PolicyState, signal?: AbortSignal): Promise<TrainedRound>;
  /**
   * log π(x_{i+1} | x_i) of a policy less what the sampler recorded, for every trained step of weight above 0 of every sample;
   * null where the surrogate has no log-probs. Near 0 where the policy is the one that sampled: what is left is the
   * difference between two graphs of one model.
   */
  logRatios(
    trajectories: Pick<RoundOfSamples, 'samples' | 'trainedSteps'>,
    parameters: NamedArrays,
    signal?: AbortSignal,
  ): Promise<Float32Array | null>;
  release(): Promise<void>;
}

/** Compiles the training graph and returns a trainer over it. A baseline is subtracted from what a step has earned. */
export async function createTrainer(
  engine: Engine,
  pipeline: Pipeline,
  { graph, gradients: derived, component, adapters, weights, surrogate, references }: PolicyGraph,
  settings: TrainerSettings,
  baseline: ValueBaseline | null = null,
): Promise<Trainer> {
  const executable = await compileGraph(engine, graph, { label: 'training graph', gradients: derived });
  const slow = new Set(adapters.map(({ inputA }) => inputA));
  const learningRateScaleOf = (name: string) => (slow.has(name) ? 1 / settings.loraPlusRatio : 1);
  const inputs = { component, adapters, weights };
  const parameterNames = namesOf(inputs);
  const held = new Set([...parameterNames, ...parameterNames.map((name) => `old:${name}`)]);
  const rowInputs = executable.inputs.filter(({ name }) => !held.has(name) && name !== LOSS_SCALE);
  const isScaled = executable.inputs.some(({ name }) => name === LOSS_SCALE);
  const oneTimestepARun = rowInputs.find(({ name }) => name === 'timestep')?.shape.length === 0;

  /** Feeds that stay for a whole update: the policy's, those of the old policy, and the scale of the loss. */
  function policyFeeds(parameters: NamedArrays, old: NamedArrays, scale = 1): Tensors {
    const scaleFeed = isScaled && { [LOSS_SCALE]: float32([scale], []) };
    const feeds = { ...feedsOf(inputs, parameters, settings.lora), ...scaleFeed };
    if (!references.includes('old')) return feeds;
    const oldFeeds = Object.entries(feedsOf(inputs, old, settings.lora));
    return { ...feeds, ...Object.fromEntries(oldFeeds.map(([name, tensor]) => [`old:${name}`, tensor])) };
  }

  function planOf(trainedSteps: readonly number[]): StepPlan {
    const { schedule } = pipeline;
    const coefficients = stochasticCoefficients(schedule, settings.sampling, trainedSteps);
    const everyStepNoisy = { ...settings.sampling, stochasticSteps: 'all' } as const;
    const allNoisy = stochasticCoefficients(schedule, everyStepNoisy, trainedSteps);
    const weights = stepWeights(allNoisy, trainedSteps, settings.stepWeighting);
    return { coefficients, trainedSteps, weights };
  }

  /** @param scale by which the graph's gradients are too large. */
  async function gradientOf(
    units: readonly RowUnit[],
    statistics: TrainingStatisticsCollector,
    scale: number,
    signal?: AbortSignal,
  ) {
    const sums = new Map<string, Float64Array>();
    let loss = 0;
    for (const minibatch of minibatches(units, settings.minibatchSize, oneTimestepARun)) {
      const rows = arranged(minibatch, settings.minibatchSize);
      const feeds = await rowFeeds(pipeline, rows, rowInputs, usesGuidance(settings.guidanceScale));
      const outputs = await executable.run(feeds, { signal, transfer: true });
      loss += float32Data(outputs.loss, 'loss')[0] ?? Number.NaN;
      statistics.addRows(rows, {
        ratios: outputs.ratio && float32Data(outputs.ratio, 'ratio'),
        kls: outputs.klToPretrained && float32Data(outputs.klToPretrained, 'klToPretrained'),
      });
      const gradients = parameterNames.map((name) => float32Data(outputs[`gradient:${name}`], name));
      statistics.addRun(rows, normOf(gradients) / scale);
      for (const [index, name] of parameterNames.entries())
        addTo(sums, name, gradients[index] ?? new Float32Array());
    }
    const unscaled = (sum: Float64Array) => Float32Array.from(sum, (value) => value / scale);
    const gradients = Object.fromEntries([...sums].map(([name, sum]) => [name, unscaled(sum)]));
    return { loss, gradients };
  }

  return {
    provider: executable.provider,
    fallbacks: executable.fallbacks,
    async train({ samples, trainedSteps, round, learningRateScale }, state, signal) {
      let { parameters, optimizer, lossScale = initialLossScale(settings.lossScale) } = state;
      const old = state.samplingParameters;
      const learningRate =
        settings.optimizer.learningRate *
        learningRateScale *
        learningRateFactor(settings.learningRateSchedule, round, settings.numRounds);
      const plan = planOf(trainedSteps);
      const statistics = createTrainingStatistics(surrogate.clipRange, plan.coefficients.length);
      const taken = samples.flatMap((sample) => transitionsOf(sample, trainedSteps, round));
      const replay =
        settings.updates.from === 'replay'
          ? pushed(state.replay, taken, settings.updates.capacity)
          : state.replay;
      const seen = settings.updates.from === 'replay' ? replay : taken;
      const roundOfUpdates = {
        ...settings,
        pipeline,
        surrogate,
        plan,
        round,
        samples,
        replay,
        baseline,
        signal,
      };
      if (baseline && seen.length > 0)
        statistics.addValueLoss((await baseline.fit(seen, round, signal)).loss);
      for await (const units of updateUnits(roundOfUpdates, settings.updates)) {
        if (units.length === 0) continue;
        const scale = isScaled ? lossScale.scale : 1;
        await executable.hold(policyFeeds(parameters, old, scale));
        const { loss, gradients } = await gradientOf(units, statistics, scale, signal);
        const { gradients: clipped, gradNorm } = clipGradNorm(gradients, settings.maxGradNorm);
        const isSkipped = !Number.isFinite(gradNorm);
        if (isSkipped && !isScaled) throw diverged(round);
        if (isScaled) {
          if (!Number.isFinite(loss)) throw overflowed(round, loss);
          lossScale = nextLossScale(lossScale, isSkipped, settings.lossScale);
          if (lossScale.scale < LEAST_LOSS_SCALE) throw unscalable(round);
        }
        if (isSkipped) {
          statistics.addSkippedUpdate();
          continue;
        }
        ({ parameters, state: optimizer } = adamWStep(parameters, clipped, optimizer, {
          ...settings.optimizer,
          learningRate,
          learningRateScale: learningRateScaleOf,
        }));
        statistics.addUpdate(loss, gradNorm);
      }
      const samplingParameters = mixed(old, parameters, settings.samplingPolicyDecay);
      return {
        state: { parameters, samplingParameters, optimizer, replay, ...(isScaled && { lossScale }) },
        statistics: statistics.result(isScaled ? lossScale.scale : null),
      };
    },
    async logRatios({ samples, trainedSteps }, parameters, signal) {
      if (surrogate.trainsOn === 'denoising') return null;
      const transitions = samples.flatMap((sample) => transitionsOf(sample, trainedSteps, 0));
      const units = transitionUnits(transitions, null, planOf(trainedSteps));
      await executable.hold(policyFeeds(parameters, parameters));
      const logRatios: number[] = [];
      for (const minibatch of minibatches(units, settings.minibatchSize, oneTimestepARun)) {
        const rows = arranged(minibatch, settings.minibatchSize);
        const feeds = await rowFeeds(pipeline, rows, rowInputs, usesGuidance(settings.guidanceScale));
        const { ratio } = await executable.run(feeds, { signal, transfer: true });
        logRatios.push(...float32Data(ratio, 'ratio').subarray(0, minibatch.length).map(Math.log));
      }
      return Float32Array.from(logRatios);
    },
    release: () => executable.release(),
  };
}

type TrainingStatisticsCollector = ReturnType<typeof createTrainingStatistics>;

/** DiffusionNFT's slow policy: `decay` of what was, the rest of what is. */
function mixed(before: NamedArrays, now: NamedArrays, decay: number): NamedArrays {
  if (decay === 0) return now;
  const mix = (name: string, values: Float32Array) =>
    values.map((value, index) => decay * (before[name]?.[index] ?? value) + (1 - decay) * value);
  return Object.fromEntries(Object.entries(now).map(([name, values]) => [name, mix(name, values)]));
}

function addTo(sums: Map<string, Float64Array>, name: string, values: Float32Array): void {
  const sum = sums.get(name) ?? new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) sum[i] = (sum[i] ?? 0) + (values[i] ?? 0);
  sums.set(name, sum);
}

function normOf(gradients: readonly Float32Array[]): number {
  let squared = 0;
  for (const values of gradients) for (const value of values) squared += value * value;
  return Math.sqrt(squared);
}

/** Activations, which no scale of the loss makes smaller. */
function overflowed(round: number, loss: number): TributaryError {
  return new TributaryError(
    'TRIB_ENGINE',
    `round ${round}: expected a finite loss, got ${loss}: the network's activations are beyond what half precision holds, or its parameters are no numbers. Set model.precision: float32, or start anew with a smaller learningRate and another --run-dir; the last checkpoint is kept.`,
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
