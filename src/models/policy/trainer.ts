/** @file Gradient steps on the adapter: pairs of (sample, step), accumulated over whole updates. */

import { TributaryError } from '../../errors.js';
import { adapterFeeds, timestepTensor } from '../diffusion/denoiser.js';
import type { Pipeline } from '../diffusion/pipeline.js';
import type { Trajectory } from '../diffusion/sampler.js';
import type { StepCoefficients } from '../diffusion/step-coefficients.js';
import { requireLogProb } from '../diffusion/step-coefficients.js';
import type { Engine, Provider, Tensors } from '../engines/engine.js';
import { encodeGraph } from '../graph/encode.js';
import { type StepWeighting, stepWeights } from '../objectives/step-weights.js';
import type { AdamWOptions, AdamWState, NamedArrays } from '../optimizers/adamw.js';
import { adamWStep } from '../optimizers/adamw.js';
import { clipGradNorm } from '../optimizers/clip-grad-norm.js';
import { type LearningRateSchedule, learningRateFactor } from '../optimizers/learning-rate-schedule.js';
import { counterRandom } from '../random/counter-random.js';
import { elementCount, float32, float32Data } from '../tensor.js';
import type { PolicyGraph, PolicyGraphSettings } from './policy-graph.js';
import { unetRows } from './policy-graph.js';
import type { TrainingStatistics } from './training-statistics.js';
import { createTrainingStatistics } from './training-statistics.js';

export interface TrainerSettings extends PolicyGraphSettings {
  readonly seed: number;
  readonly innerEpochs: number;
  /** Samples of one optimiser step; it covers all of their trained steps. */
  readonly samplesPerUpdate: number;
  readonly maxGradNorm: number;
  readonly stepWeighting: StepWeighting;
  readonly optimizer: AdamWOptions;
  readonly learningRateSchedule: LearningRateSchedule;
  /** LoRA+ (Hayou et al. 2024): the learning rate of B over that of A; A learns at learningRate / loraPlusRatio. */
  readonly loraPlusRatio: number;
  /** Training stages of the run, over which the learning rate falls. */
  readonly numStages: number;
}

/** What is trained on: a trajectory and how good it was. */
export interface TrainingSample {
  readonly prompt: string;
  readonly advantage: number;
  readonly trajectory: Trajectory;
}

export interface PolicyState {
  readonly parameters: NamedArrays;
  readonly optimizer: AdamWState;
}

export interface TrainedStage {
  readonly state: PolicyState;
  readonly statistics: TrainingStatistics;
}

export interface Trainer {
  readonly provider: Provider;
  readonly fallbacks: readonly string[];
  /**
   * Takes the optimiser steps of one training stage: for every inner epoch the samples are shuffled and split into updates of
   * samplesPerUpdate (the rest makes a smaller one), and each update sums its gradient over all (sample, step) pairs.
   * Deviation: the B²-DiffuRL release drops the rest, and lets gradients run over the border of an epoch.
   */
  train(
    samples: readonly TrainingSample[],
    state: PolicyState,
    trainingStage: number,
    signal?: AbortSignal,
  ): Promise<TrainedStage>;
  release(): Promise<void>;
}

interface Pair {
  readonly sample: TrainingSample;
  /** Sampler step. */
  readonly step: number;
  /** Its share of the update's loss. */
  readonly weight: number;
}

/** Compiles the training graph and returns a trainer over it. */
export async function createTrainer(
  engine: Engine,
  pipeline: Pipeline,
  coefficients: readonly StepCoefficients[],
  { graph, adapters }: PolicyGraph,
  settings: TrainerSettings,
): Promise<Trainer> {
  const executable = await engine.compile(encodeGraph(graph), { label: 'training graph' });
  const slow = new Set(adapters.map(({ inputA }) => inputA));
  const learningRateScale = (name: string) => (slow.has(name) ? 1 / settings.loraPlusRatio : 1);
  const parameterNames = adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
  const timestepPort = executable.inputs.find(({ name }) => name === 'timestep');
  const oneTimestepARun = timestepPort?.shape.length === 0;

  async function gradientOf(
    pairs: readonly Pair[],
    statistics: TrainingStatisticsCollector,
    signal?: AbortSignal,
  ) {
    const sums = new Map<string, Float64Array>();
    let loss = 0;
    for (const minibatch of minibatches(pairs, settings.minibatchSize, oneTimestepARun)) {
      const feeds = await minibatchFeeds(pipeline, coefficients, settings, minibatch);
      const outputs = await executable.run(
        {
          ...feeds,
          timestep: timestepTensor(
            timestepsOf(feeds, minibatch, coefficients, settings),
            timestepPort?.type ?? 'int64',
            timestepPort?.shape ?? [],
          ),
        },
        { signal, transfer: true },
      );
      loss += float32Data(outputs.loss, 'loss')[0] ?? Number.NaN;
      statistics.addRatios(minibatch, float32Data(outputs.ratio, 'ratio'));
      for (const name of parameterNames) addTo(sums, name, float32Data(outputs[`gradient:${name}`], name));
    }
    return {
      loss,
      gradients: Object.fromEntries([...sums].map(([name, sum]) => [name, Float32Array.from(sum)])),
    };
  }

  return {
    provider: executable.provider,
    fallbacks: executable.fallbacks,
    async train(samples, state, trainingStage, signal) {
      let { parameters, optimizer } = state;
      const learningRate =
        settings.optimizer.learningRate *
        learningRateFactor(settings.learningRateSchedule, trainingStage, settings.numStages);
      const statistics = createTrainingStatistics(settings.clipRange, coefficients.length);
      for (const [epoch, samplesOfUpdate] of updates(samples, settings, trainingStage)) {
        await executable.hold(adapterFeeds(adapters, parameters, settings.lora.rank));
        const pairs = pairsOf(samplesOfUpdate, coefficients, settings.stepWeighting);
        const { loss, gradients } = await gradientOf(pairs, statistics, signal);
        const { gradients: clipped, gradNorm } = clipGradNorm(gradients, settings.maxGradNorm);
        if (!Number.isFinite(gradNorm)) throw diverged(trainingStage, epoch);
        ({ parameters, state: optimizer } = adamWStep(parameters, clipped, optimizer, {
          ...settings.optimizer,
          learningRate,
          learningRateScale,
        }));
        statistics.addUpdate(loss, gradNorm);
      }
      return { state: { parameters, optimizer }, statistics: statistics.result() };
    },
    release: () => executable.release(),
  };
}

type TrainingStatisticsCollector = ReturnType<typeof createTrainingStatistics>;

function* updates(
  samples: readonly TrainingSample[],
  settings: TrainerSettings,
  trainingStage: number,
): Generator<[epoch: number, readonly TrainingSample[]]> {
  for (let epoch = 0; epoch < settings.innerEpochs; epoch++) {
    const shuffled = counterRandom({
      seed: settings.seed,
      purpose: 'shuffle',
      group: trainingStage,
      step: epoch,
    }).shuffle(samples);
    for (let start = 0; start < shuffled.length; start += settings.samplesPerUpdate)
      yield [epoch, shuffled.slice(start, start + settings.samplesPerUpdate)];
  }
}

/**
 * All (sample, step) pairs that weigh anything, step by step. Their order does not matter to the sum; one step after another
 * fills minibatches of models that take one timestep.
 */
function pairsOf(
  samples: readonly TrainingSample[],
  coefficients: readonly StepCoefficients[],
  weighting: StepWeighting,
): Pair[] {
  const weighed = samples.map((sample) => {
    const { firstStep } = sample.trajectory;
    requireLogProb(coefficients, firstStep);
    return { sample, weights: stepWeights(coefficients, firstStep, weighting) };
  });
  const count = samples.reduce((sum, { trajectory }) => sum + coefficients.length - trajectory.firstStep, 0);
  return coefficients.flatMap(({ stepIndex: step }) =>
    weighed.flatMap(({ sample, weights }) => {
      const weight = (weights[step] ?? 0) / count;
      return weight > 0 ? [{ sample, step, weight }] : [];
    }),
  );
}

function* minibatches(
  pairs: readonly Pair[],
  size: number,
  oneTimestepARun: boolean,
): Generator<readonly Pair[]> {
  let start = 0;
  while (start < pairs.length) {
    const limit = pairs.slice(start, start + size);
    const minibatch = oneTimestepARun ? limit.filter(({ step }) => step === limit[0]?.step) : limit;
    yield minibatch;
    start += minibatch.length;
  }
}

/** Feeds of one run. Missing pairs repeat the first one with weight 0, so that every run has one geometry. */
async function minibatchFeeds(
  pipeline: Pipeline,
  coefficients: readonly StepCoefficients[],
  settings: TrainerSettings,
  pairs: readonly Pair[],
): Promise<Tensors> {
  const size = settings.minibatchSize;
  const rows = unetRows(settings);
  const rowSize = elementCount(pipeline.latentShape);
  const embedSize = elementCount(pipeline.embedsShape);
  const sample = new Float32Array(rows * rowSize);
  const nextLatents = new Float32Array(size * rowSize);
  const embeds = new Float32Array(rows * embedSize);
  const perPair = Object.fromEntries(
    ['sampleCoefficient', 'outputCoefficient', 'stdDevT', 'oldLogProb', 'advantage', 'weight'].map((name) => [
      name,
      new Float32Array(size),
    ]),
  ) as Record<
    'sampleCoefficient' | 'outputCoefficient' | 'stdDevT' | 'oldLogProb' | 'advantage' | 'weight',
    Float32Array
  >;
  const guided = rows > size;
  const empty = guided ? await pipeline.embedPrompt('') : undefined;

  for (let row = 0; row < size; row++) {
    const pair = pairs[row] ?? (pairs[0] as Pair);
    const { trajectory, prompt, advantage } = pair.sample;
    const index = pair.step - trajectory.firstStep;
    const latents = trajectory.latents.subarray(index * rowSize, (index + 1) * rowSize);
    const step = coefficients[pair.step] as StepCoefficients;
    sample.set(latents, row * rowSize);
    if (guided) sample.set(latents, (row + size) * rowSize);
    if (empty) embeds.set(empty, row * embedSize);
    embeds.set(await pipeline.embedPrompt(prompt), (guided ? row + size : row) * embedSize);
    nextLatents.set(trajectory.latents.subarray((index + 1) * rowSize, (index + 2) * rowSize), row * rowSize);
    perPair.sampleCoefficient[row] = step.sampleCoefficient;
    perPair.outputCoefficient[row] = step.outputCoefficient;
    perPair.stdDevT[row] = step.stdDevT;
    perPair.oldLogProb[row] = trajectory.logProbs[index] ?? 0;
    perPair.advantage[row] = advantage;
    perPair.weight[row] = row < pairs.length ? pair.weight : 0;
  }
  return {
    sample: float32(sample, [rows, ...pipeline.latentShape]),
    encoder_hidden_states: float32(embeds, [rows, ...pipeline.embedsShape]),
    nextLatents: float32(nextLatents, [size, ...pipeline.latentShape]),
    ...Object.fromEntries(Object.entries(perPair).map(([name, values]) => [name, float32(values, [size])])),
  };
}

function timestepsOf(
  feeds: Tensors,
  pairs: readonly Pair[],
  coefficients: readonly StepCoefficients[],
  { minibatchSize }: TrainerSettings,
): number[] {
  const rows = feeds.sample?.shape[0] ?? minibatchSize;
  return Array.from(
    { length: rows },
    (_, row) => coefficients[(pairs[row % minibatchSize] ?? (pairs[0] as Pair)).step]?.timestep ?? 0,
  );
}

function addTo(sums: Map<string, Float64Array>, name: string, values: Float32Array): void {
  const sum = sums.get(name) ?? new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) sum[i] = (sum[i] ?? 0) + (values[i] ?? 0);
  sums.set(name, sum);
}

function diverged(trainingStage: number, epoch: number): TributaryError {
  return new TributaryError(
    'TRIB_ENGINE',
    `training stage ${trainingStage}, inner epoch ${epoch}: expected a finite gradient, got one with NaN or Infinity. Start anew with a smaller learningRate and another --run-dir; the last checkpoint is kept.`,
  );
}
