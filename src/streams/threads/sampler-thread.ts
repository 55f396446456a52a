/** @file The thread in which rollouts are computed. */

import type { LoraSettings } from '../../models/diffusion/denoiser.js';
import { openDenoiser } from '../../models/diffusion/denoiser.js';
import { openPipeline } from '../../models/diffusion/pipeline.js';
import type {
  RolloutRequest,
  SampledBranch,
  Sampler,
  SamplerSettings,
} from '../../models/diffusion/sampler.js';
import { createSampler, denoiserRows } from '../../models/diffusion/sampler.js';
import type { EngineOptions, Provider } from '../../models/engines/engine.js';
import { createOnnxRuntimeEngine } from '../../models/engines/onnxruntime/engine.js';
import { serveThread } from '../../models/engines/thread.js';
import type { NamedArrays } from '../../models/optimizers/adamw.js';
import { openedOnce } from './opened-once.js';

export interface SamplerThreadSettings {
  readonly engine: EngineOptions;
  readonly pipeline: string;
  readonly lora: LoraSettings;
  readonly sampler: SamplerSettings;
  /** Seed of evaluation pictures. */
  readonly evaluationSeed: number;
}

/** What the thread says when it is ready. */
export interface OpenedSampler {
  readonly provider: Provider;
  readonly fallbacks: readonly string[];
  /** [C, H, W] of pictures. */
  readonly imageShape: readonly [number, number, number];
}

export interface SamplerService {
  open(settings: SamplerThreadSettings): Promise<OpenedSampler>;
  usePolicy(parameters: NamedArrays): Promise<void>;
  /** Branches of every request; steps before `firstStep` are shared. */
  rollout(
    request: { readonly requests: readonly RolloutRequest[]; readonly firstStep: number },
    signal: AbortSignal,
  ): Promise<SampledBranch[][]>;
  /** One independent picture for every request, from the evaluation seed. */
  samplePictures(
    request: { readonly requests: readonly RolloutRequest[] },
    signal: AbortSignal,
  ): Promise<Float32Array[]>;
}

const opened = openedOnce('sampler', async (settings: SamplerThreadSettings) => {
  const engine = createOnnxRuntimeEngine(settings.engine);
  const pipeline = await openPipeline(engine, settings.pipeline);
  const denoiser = await openDenoiser(engine, pipeline, settings.lora, denoiserRows(settings.sampler));
  const { numBranches, groupsPerBatch } = settings.sampler;
  // Evaluation draws every picture from noise of its own, with as many rows as a batch of branches has.
  const evaluation = {
    ...settings.sampler,
    seed: settings.evaluationSeed,
    numBranches: 1,
    groupsPerBatch: groupsPerBatch * numBranches,
  };
  return {
    engine,
    denoiser,
    imageShape: pipeline.latentShape,
    sampler: createSampler(pipeline, denoiser, settings.sampler),
    evaluationSampler: createSampler(pipeline, denoiser, evaluation) as Sampler,
    evaluationBatch: evaluation.groupsPerBatch,
  };
});

const service: SamplerService = {
  async open(settings) {
    const { denoiser, imageShape } = await opened.open(settings);
    return { provider: denoiser.provider, fallbacks: denoiser.fallbacks, imageShape };
  },
  usePolicy: async (parameters) => opened.value().denoiser.usePolicy(parameters),
  rollout: async ({ requests, firstStep }, signal) =>
    opened.value().sampler.rollout(requests, firstStep, signal),
  async samplePictures({ requests }, signal) {
    const { evaluationSampler, evaluationBatch } = opened.value();
    const pictures: Float32Array[] = [];
    for (let start = 0; start < requests.length; start += evaluationBatch) {
      const branches = await evaluationSampler.rollout(
        requests.slice(start, start + evaluationBatch),
        0,
        signal,
      );
      for (const [branch] of branches) if (branch) pictures.push(branch.image);
    }
    return pictures;
  },
};

serveThread(service, async () => opened.current()?.engine.close());
