/** @file The thread in which the adapter is trained. It owns parameters and optimiser; others get copies. */

import type { LoraSettings } from '../../models/diffusion/denoiser.js';
import { openPipeline } from '../../models/diffusion/pipeline.js';
import { samplerCoefficients } from '../../models/diffusion/step-coefficients.js';
import type { EngineOptions, Provider } from '../../models/engines/engine.js';
import { createOnnxRuntimeEngine } from '../../models/engines/onnxruntime/engine.js';
import { serveThread } from '../../models/engines/thread.js';
import type { NamedArrays } from '../../models/optimizers/adamw.js';
import { initialAdamWState } from '../../models/optimizers/adamw.js';
import { decodeAdamWState, encodeAdamWState } from '../../models/optimizers/adamw-state-file.js';
import {
  decodeParameters,
  encodeParameters,
  initialParameters,
} from '../../models/policy/adapter-parameters.js';
import { buildPolicyGraph } from '../../models/policy/policy-graph.js';
import type { PolicyState, TrainerSettings, TrainingSample } from '../../models/policy/trainer.js';
import { createTrainer } from '../../models/policy/trainer.js';
import type { TrainingStatistics } from '../../models/policy/training-statistics.js';
import { openedOnce } from './opened-once.js';

export interface TrainerThreadSettings {
  readonly engine: EngineOptions;
  readonly pipeline: string;
  readonly lora: LoraSettings;
  readonly trainer: TrainerSettings;
  readonly numInferenceSteps: number;
  readonly eta: number;
}

export interface PolicyFiles {
  /** `pytorch_lora_weights.safetensors`, as diffusers loads it. */
  readonly adapter: Uint8Array;
  /** The optimiser's moments, as safetensors. */
  readonly optimizer: Uint8Array;
}

export interface OpenedTrainer {
  readonly provider: Provider;
  readonly fallbacks: readonly string[];
  readonly numParameters: number;
}

export interface TrainerService {
  open(settings: TrainerThreadSettings): Promise<OpenedTrainer>;
  train(
    request: { readonly samples: readonly TrainingSample[]; readonly trainingStage: number },
    signal: AbortSignal,
  ): Promise<TrainingStatistics>;
  parameters(request: undefined): Promise<NamedArrays>;
  /** What a checkpoint needs. */
  save(request: undefined): Promise<PolicyFiles>;
  restore(files: PolicyFiles & { readonly where: string }): Promise<void>;
}

const opened = openedOnce('trainer', async (settings: TrainerThreadSettings) => {
  const engine = createOnnxRuntimeEngine(settings.engine);
  const pipeline = await openPipeline(engine, settings.pipeline);
  const policyGraph = await buildPolicyGraph(engine, pipeline, settings.trainer);
  const coefficients = samplerCoefficients(pipeline.schedule, settings.numInferenceSteps, settings.eta);
  const trainer = await createTrainer(engine, pipeline, coefficients, policyGraph, settings.trainer);
  const parameters = initialParameters(policyGraph.adapters, settings.lora, settings.trainer.seed);
  const state: PolicyState = { parameters, optimizer: initialAdamWState(parameters) };
  return { engine, trainer, adapters: policyGraph.adapters, lora: settings.lora, state };
});

const copyOf = (parameters: NamedArrays): NamedArrays =>
  Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, values.slice()]));

const service: TrainerService = {
  async open(settings) {
    const { trainer, state } = await opened.open(settings);
    const numParameters = Object.values(state.parameters).reduce((sum, { length }) => sum + length, 0);
    return { provider: trainer.provider, fallbacks: trainer.fallbacks, numParameters };
  },
  async train({ samples, trainingStage }, signal) {
    const current = opened.value();
    const { state, statistics } = await current.trainer.train(samples, current.state, trainingStage, signal);
    current.state = state;
    return statistics;
  },
  parameters: async () => copyOf(opened.value().state.parameters),
  async save() {
    const { adapters, lora, state } = opened.value();
    return {
      adapter: encodeParameters(adapters, state.parameters, lora),
      optimizer: encodeAdamWState(state.optimizer),
    };
  },
  async restore({ adapter, optimizer, where }) {
    const current = opened.value();
    const { parameters } = decodeParameters(adapter, where);
    current.state = { parameters, optimizer: decodeAdamWState(optimizer, parameters, where) };
  },
};

serveThread(service, async () => opened.current()?.engine.close());
