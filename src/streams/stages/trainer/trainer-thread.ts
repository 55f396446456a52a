/** @file The thread in which the policy is trained. It owns parameters and optimizer; others get copies. */

import type { Provider } from '../../../models/engines/contract/engine.js';
import { requireHalf } from '../../../models/engines/half-support.js';
import { type EngineSettings, openEngine } from '../../../models/engines/open-engine.js';
import type { LoraSettings } from '../../../models/graph/weights/lora.js';
import type { NamedArrays } from '../../../models/optimizers/adamw.js';
import { initialAdamWState } from '../../../models/optimizers/adamw.js';
import { decodeAdamWState, encodeAdamWState } from '../../../models/optimizers/adamw-state-file.js';
import { decodeLossScale, encodeLossScale } from '../../../models/optimizers/loss-scale.js';
import type { EmbeddingPlace } from '../../../models/pipeline/embeddings/embedding-file.js';
import type { GivenSize, PictureSize } from '../../../models/pipeline/picture-size.js';
import { openPipeline, type Pipeline } from '../../../models/pipeline/pipeline.js';
import type { PolicyFiles } from '../../../models/policy/policy-file.js';
import {
  decodePolicy,
  encodePolicy,
  policyParameters,
  startingPolicy,
} from '../../../models/policy/policy-file.js';
import { buildPolicyGraph } from '../../../models/policy/policy-graph.js';
import { decodeReplayBuffer, encodeReplayBuffer } from '../../../models/policy/replay-buffer-file.js';
import { openTextPolicy } from '../../../models/policy/text-policy.js';
import { createTrainer, type PolicyState, type RoundOfSamples } from '../../../models/policy/trainer.js';
import type { TrainerSettings } from '../../../models/policy/trainer-settings.js';
import type { SizedGraph } from '../../../models/policy/training-runs.js';
import type { TrainingStatistics } from '../../../models/policy/training-statistics.js';
import { openValueBaseline, type ValueBaselineSettings } from '../../../models/policy/value-baseline.js';
import { elementCount } from '../../../models/tensor.js';
import { serveThread } from '../../../models/threads/thread.js';
import { requireOwnEntry } from '../../../own-modules.js';
import { EMA_FILE } from '../../directory/adapter-path.js';
import { openedOnce } from '../shared/open-thread.js';
import { startingParameters } from './starting-parameters.js';

interface TrainerThreadSettings {
  readonly engine: EngineSettings;
  readonly pipeline: string;
  /** That of the sampler. */
  readonly negativePrompt: string | undefined;
  readonly size: PictureSize;
  /** As in a config's `model`. */
  readonly extraChannels: readonly number[] | undefined;
  /** Sizes of pictures whose trajectories name their shape. */
  readonly buckets: readonly GivenSize[];
  readonly embeddings: readonly EmbeddingPlace[];
  /** Null if all weights are trained. */
  readonly lora: LoraSettings | null;
  readonly trainer: TrainerSettings;
  /** File or folder of an adapter to start from; null starts from the pretrained model. */
  readonly startFrom: string | null;
  /** Null if no baseline is learned. */
  readonly value: Omit<ValueBaselineSettings, 'seed'> | null;
}

const TRAINED_FILE = 'trained.safetensors';
const REPLAY_FILE = 'replay.safetensors';
const VALUE_FILE = 'value.safetensors';
const START_FILE = 'start.safetensors';
const LOSS_SCALE_FILE = 'loss-scale.json';

export interface OpenedTrainer {
  readonly provider: Provider;
  readonly sessionThreads: number;
  readonly fallbacks: readonly string[];
  readonly numParameters: number;
  /** [C, H, W] of the latents of pictures: of one size, or where there are several, of each. */
  readonly latentShapes: readonly Pipeline['latentShape'][];
  /** Warnings about the file that it starts from. */
  readonly warnings: readonly string[];
}

export interface TrainerService {
  open(settings: TrainerThreadSettings): Promise<OpenedTrainer>;
  train(request: RoundOfSamples, signal: AbortSignal): Promise<TrainingStatistics>;
  /** The policy that samples next. */
  parameters(request: undefined): Promise<NamedArrays>;
  /** The policy that is evaluated and shipped, and its file: the moving average, where there is one. */
  shipped(request: undefined): Promise<{ readonly parameters: NamedArrays; readonly adapter: Uint8Array }>;
  /**
   * The log-probs of the policy that samples next minus those that the sampler recorded, step by step; null if the surrogate
   * has no log-probs.
   */
  logRatios(
    trajectories: Pick<RoundOfSamples, 'samples' | 'trainedSteps'>,
    signal: AbortSignal,
  ): Promise<Float32Array | null>;
  /** Remembers the policy, its optimizer and its replay buffer, for `rollBack`. */
  promote(request: undefined): Promise<void>;
  /** Returns to what was promoted last. A value network keeps what it has learned: it models rewards, not this policy. */
  rollBack(request: undefined): Promise<void>;
  /** Goes on from a policy, which counts as promoted, with a fresh optimizer and no replay buffer. */
  returnTo(policy: Pick<PolicyFiles, 'adapter'> & { readonly where: string }): Promise<void>;
  /** What a checkpoint needs. */
  save(request: undefined): Promise<PolicyFiles>;
  restore(files: PolicyFiles & { readonly where: string }): Promise<void>;
}

const opened = openedOnce('trainer', async (settings: TrainerThreadSettings) => {
  const engine = openEngine(settings.engine);
  const { trainer: trainerSettings, lora } = settings;
  if (trainerSettings.precision === 'float16') await requireHalf(engine);
  const { seed, sampling, surrogate } = trainerSettings;
  if (surrogate.type === 'module') await requireOwnEntry('surrogate', surrogate);
  // Its text encoders stay frozen: they are the reference's, and the value network's.
  const pipeline = await openPipeline(engine, settings.pipeline, { ...settings, lora: null });
  const policyGraph = await buildPolicyGraph(engine, pipeline, trainerSettings);
  const sized: SizedGraph[] = [];
  for (const [index, bucket] of settings.buckets.entries()) {
    const own = await pipeline.resized(bucket, `stages.sampler.buckets[${index}]`);
    const isCommon = own === pipeline;
    const ownGraph = isCommon ? policyGraph : await buildPolicyGraph(engine, own, trainerSettings);
    sized.push({ pipeline: own, policyGraph: ownGraph });
  }
  const latentShapes = (sized.length > 0 ? sized : [{ pipeline }]).map((one) => one.pipeline.latentShape);
  const baseline =
    settings.value &&
    (await openValueBaseline(
      engine,
      {
        latentSize: elementCount(pipeline.latentShape),
        embedWidth: pipeline.embedsShape[1],
        numSteps: sampling.numInferenceSteps,
      },
      { ...settings.value, seed },
      async (prompt) => (await pipeline.embedPrompt(prompt)).subarray(0, elementCount(pipeline.embedsShape)),
    ));
  const text = await openTextPolicy(engine, pipeline, lora);
  const parts = { engine, pipeline, policyGraph, sized, settings: trainerSettings, baseline, text };
  const trainer = await createTrainer(parts);
  const { component, weights } = policyGraph;
  const adapters = [...policyGraph.adapters, ...(text?.adapters ?? [])];
  const inputs = { component, adapters, weights };
  const { parameters, warnings } =
    settings.startFrom === null
      ? { parameters: startingPolicy(inputs, lora, seed), warnings: [] }
      : await startingParameters(settings.startFrom, inputs, lora);
  const optimizer = initialAdamWState(parameters);
  const state: PolicyState = {
    ...{ parameters, samplingParameters: parameters, optimizer, replay: [] },
    ...(trainerSettings.emaDecay !== undefined && { ema: parameters }),
    ...(policyGraph.ownReferences.includes('pretrained') && { start: parameters }),
  };
  return { engine, trainer, baseline, inputs, lora, latentShapes, warnings, state, promoted: state };
});

const copyOf = (parameters: NamedArrays): NamedArrays =>
  Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, values.slice()]));

const service: TrainerService = {
  async open(settings) {
    const { trainer, state, latentShapes, warnings } = await opened.open(settings);
    const { provider, sessionThreads, fallbacks } = trainer;
    const numParameters = Object.values(state.parameters).reduce((sum, { length }) => sum + length, 0);
    return { provider, sessionThreads, fallbacks, numParameters, latentShapes, warnings };
  },
  async train(round, signal) {
    const current = opened.value();
    const { state, statistics } = await current.trainer.train(round, current.state, signal);
    current.state = state;
    return statistics;
  },
  parameters: async () => copyOf(opened.value().state.samplingParameters),
  async shipped() {
    const { inputs, lora, state } = opened.value();
    const { ema = state.samplingParameters } = state;
    return { parameters: copyOf(ema), adapter: encodePolicy(inputs, ema, lora) };
  },
  async logRatios(trajectories, signal) {
    const { trainer, state } = opened.value();
    return trainer.logRatios(trajectories, state.samplingParameters, signal);
  },
  async promote() {
    const current = opened.value();
    current.promoted = current.state;
  },
  async rollBack() {
    const current = opened.value();
    current.state = current.promoted;
  },
  async returnTo({ adapter, where }) {
    const current = opened.value();
    const parameters = policyParameters(decodePolicy(adapter, where), current.inputs, where);
    const { lossScale, ema, start } = current.state;
    current.state = {
      ...{ parameters, samplingParameters: parameters },
      ...{ optimizer: initialAdamWState(parameters), replay: [] },
      ...(lossScale && { lossScale }),
      ...(ema && { ema: parameters }),
      ...(start && { start }),
    };
    current.promoted = current.state;
  },
  async save() {
    const { inputs, lora, state, baseline } = opened.value();
    const { parameters, samplingParameters, ema, start, replay, lossScale } = state;
    return {
      adapter: encodePolicy(inputs, samplingParameters, lora),
      optimizer: encodeAdamWState(state.optimizer),
      extras: {
        ...(parameters !== samplingParameters && {
          [TRAINED_FILE]: encodePolicy(inputs, parameters, lora),
        }),
        ...(ema && { [EMA_FILE]: encodePolicy(inputs, ema, lora) }),
        ...(start && { [START_FILE]: encodePolicy(inputs, start, lora) }),
        ...(replay.length > 0 && { [REPLAY_FILE]: encodeReplayBuffer(replay) }),
        ...(baseline && { [VALUE_FILE]: baseline.save() }),
        ...(lossScale && { [LOSS_SCALE_FILE]: encodeLossScale(lossScale) }),
      },
    };
  },
  async restore({ adapter, optimizer, extras, where }) {
    const current = opened.value();
    const parametersOf = (file: Uint8Array) =>
      policyParameters(decodePolicy(file, where), current.inputs, where);
    const samplingParameters = parametersOf(adapter);
    const { [TRAINED_FILE]: trained, [REPLAY_FILE]: replay, [VALUE_FILE]: value } = extras;
    const { [EMA_FILE]: ema, [START_FILE]: start, [LOSS_SCALE_FILE]: lossScale } = extras;
    const parameters = trained ? parametersOf(trained) : samplingParameters;
    if (value) current.baseline?.restore(value, where);
    current.state = {
      parameters,
      samplingParameters,
      optimizer: decodeAdamWState(optimizer, parameters, where),
      replay: replay ? decodeReplayBuffer(replay, where) : [],
      ...(ema && { ema: parametersOf(ema) }),
      ...(start && { start: parametersOf(start) }),
      ...(lossScale && { lossScale: decodeLossScale(lossScale, where) }),
    };
  },
};

serveThread(service, async () => opened.current()?.engine.close());
