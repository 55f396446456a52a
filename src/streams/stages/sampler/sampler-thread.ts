/** @file The thread in which rollouts are computed. */

import { TributaryError } from '../../../errors.js';
import { inOrder } from '../../../models/engines/chunks.js';
import type { Provider } from '../../../models/engines/contract/engine.js';
import { imageGrid } from '../../../models/images/image-grid.js';
import { encodePng, pictureDifference, toRgb8 } from '../../../models/images/picture.js';
import { type PictureStatistics, pictureStatistics } from '../../../models/images/picture-statistics.js';
import type { NamedArrays } from '../../../models/optimizers/adamw.js';
import { decodePolicy, policyParameters, startingPolicy } from '../../../models/policy/policy-file.js';
import type { RolloutRequest, SampledGroup, Sampler } from '../../../models/rollouts/sampler.js';
import { serveThread } from '../../../models/threads/thread.js';
import { SAMPLE_GAP } from '../../directory/run-samples.js';
import { openedOnce } from '../shared/open-thread.js';
import { type DrawnTree, type DrawRequest, drawPictures } from './draw-pictures.js';
import { openSamplers, type SamplerThreadSettings } from './open-samplers.js';
import { type PaintedTrees, paintTrees, type TreesRequest } from './paint-trees.js';

/** What the thread says when it is ready. */
export interface OpenedSampler {
  readonly provider: Provider;
  readonly sessionThreads: number;
  readonly fallbacks: readonly string[];
  /** What was corrected while the model's configs were read. */
  readonly corrections: readonly string[];
  /** [C, H, W] of pictures. */
  readonly imageShape: readonly [number, number, number];
  /** The same of evaluations. */
  readonly evaluationShape: readonly [number, number, number];
  /** Pictures that an evaluation draws at a time. */
  readonly evaluationBatch: number;
  /** The adapter that changes nothing: the base model. */
  readonly baseParameters: NamedArrays;
  /** The parameters in `adapters`; null where they have none. */
  readonly fileParameters: NamedArrays | null;
  /** Warnings about their files. */
  readonly warnings: readonly string[];
}

/** What a row of a grid shows. */
export type GridPrompt = Omit<RolloutRequest, 'groupIndex'>;

export interface ProbeRequest {
  readonly requests: readonly RolloutRequest[];
  readonly trainedSteps: readonly number[];
  /** Whether later probes are compared with this one. */
  readonly isReference: boolean;
}

export interface ProbedPolicy {
  readonly groups: readonly SampledGroup[];
  /** Root mean square of the differences of its pictures from those of the last reference. */
  readonly outputChange: number;
}

export interface MeasuredPictures {
  readonly pictures: readonly Float32Array[];
  /** One per picture. */
  readonly statistics: readonly PictureStatistics[];
}

export interface SamplerService {
  open(settings: SamplerThreadSettings): Promise<OpenedSampler>;
  usePolicy(parameters: NamedArrays): Promise<void>;
  /** The parameters of this network in the bytes of a policy file. `where` names the file in errors. */
  readPolicy(file: { readonly bytes: Uint8Array; readonly where: string }): Promise<NamedArrays>;
  /** What is wrong with each prompt; null if it can be rolled out. */
  checkPrompts(
    prompts: readonly Pick<RolloutRequest, 'prompt' | 'negativePrompt'>[],
  ): Promise<(string | null)[]>;
  /** The tree of every request, recorded from the first trained step on. */
  rollout(
    request: { readonly requests: readonly RolloutRequest[]; readonly trainedSteps: readonly number[] },
    signal: AbortSignal,
  ): Promise<SampledGroup[]>;
  /** The same, with what people are shown of it. */
  draw(request: DrawRequest, signal: AbortSignal): Promise<DrawnTree[]>;
  /** One independent trajectory for every request, from the evaluation seed, with the noise of training. */
  probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbedPolicy>;
  /** A grid of pictures from the evaluation seed, one prompt a row. */
  sampleGrid(
    request: { readonly prompts: readonly GridPrompt[]; readonly columns: number; readonly scale: number },
    signal: AbortSignal,
  ): Promise<Uint8Array>;
  /** Pictures of trees that were rolled out, here or elsewhere. */
  paintTrees(request: TreesRequest): Promise<PaintedTrees>;
  /** One independent picture for every request, from the evaluation seed. */
  samplePictures(
    request: { readonly requests: readonly RolloutRequest[] },
    signal: AbortSignal,
  ): Promise<Float32Array[]>;
  /** The same pictures, and what can be said of them without a model. */
  measurePictures(
    request: { readonly requests: readonly RolloutRequest[] },
    signal: AbortSignal,
  ): Promise<MeasuredPictures>;
}

const opened = openedOnce('sampler', openSamplers);

/** One that ends, and the next, which takes the cores that the last runs of the first leave. */
const BATCHES_AT_ONCE = 2;

function* batchesOf<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** In the batches that evaluation has compiled a graph for. */
async function rolloutAll(
  sampler: Sampler,
  requests: readonly RolloutRequest[],
  trainedSteps: readonly number[],
  signal: AbortSignal,
): Promise<SampledGroup[]> {
  const { evaluationBatch } = opened.value();
  const groups: SampledGroup[] = [];
  const batches = inOrder(batchesOf(requests, evaluationBatch), BATCHES_AT_ONCE, (batch) =>
    sampler.rollout(batch, trainedSteps, signal),
  );
  for await (const batch of batches) groups.push(...batch);
  return groups;
}

async function samplePictures(
  requests: readonly RolloutRequest[],
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const groups = await rolloutAll(opened.value().evaluationSampler, requests, [], signal);
  return groups.flatMap(({ branches }) => branches.map(({ image }) => image));
}

async function measurePictures(
  requests: readonly RolloutRequest[],
  signal: AbortSignal,
): Promise<MeasuredPictures> {
  const [, height, width] = opened.value().evaluationShape;
  const pictures = await samplePictures(requests, signal);
  const statistics: PictureStatistics[] = [];
  for (const picture of pictures) statistics.push(await pictureStatistics(toRgb8(picture, height, width)));
  return { pictures, statistics };
}

let referencePictures: readonly Float32Array[] = [];

async function probe(
  { requests, trainedSteps, isReference }: ProbeRequest,
  signal: AbortSignal,
): Promise<ProbedPolicy> {
  const groups = await rolloutAll(opened.value().probeSampler, requests, trainedSteps, signal);
  const pictures = groups.flatMap(({ branches }) => branches.map(({ image }) => image));
  // Copies: what is returned may leave this thread for good.
  if (isReference) referencePictures = pictures.map((picture) => picture.slice());
  return { groups, outputChange: pictureDifference(pictures, referencePictures) };
}

function promptFault({
  prompt,
  negativePrompt,
}: Pick<RolloutRequest, 'prompt' | 'negativePrompt'>): string | null {
  const { tokenizer } = opened.value().pipeline;
  try {
    tokenizer.encode(prompt);
    if (negativePrompt !== undefined) tokenizer.encode(negativePrompt);
    return null;
  } catch (error) {
    if (error instanceof TributaryError && error.code === 'TRIB_PROMPT') return error.message;
    throw error;
  }
}

const service: SamplerService = {
  async open(settings) {
    const { denoiser, inputs, lora, corrections, ...rest } = await opened.open(settings);
    const { imageShape, evaluationShape, evaluationBatch, fileParameters, warnings } = rest;
    const { provider, sessionThreads, fallbacks } = denoiser;
    const baseParameters = startingPolicy(inputs, lora, settings.sampler.seed);
    return {
      ...{ provider, sessionThreads, fallbacks, corrections },
      ...{ imageShape, evaluationShape, evaluationBatch, baseParameters, fileParameters, warnings },
    };
  },
  async usePolicy(parameters) {
    const { denoisers, pipeline } = opened.value();
    await pipeline.usePolicy(parameters);
    for (const denoiser of denoisers) await denoiser.usePolicy(parameters);
  },
  readPolicy: async ({ bytes, where }) =>
    policyParameters(decodePolicy(bytes, where), opened.value().inputs, where),
  checkPrompts: async (prompts) => prompts.map(promptFault),
  rollout: async ({ requests, trainedSteps }, signal) =>
    opened.value().sampler.rollout(requests, trainedSteps, signal),
  draw: (request, signal) => drawPictures(opened.value(), request, signal),
  probe,
  paintTrees: (request) => paintTrees(opened.value(), request),
  samplePictures: ({ requests }, signal) => samplePictures(requests, signal),
  measurePictures: ({ requests }, signal) => measurePictures(requests, signal),
  async sampleGrid({ prompts, columns, scale }, signal) {
    const requests = prompts.flatMap((prompt, row) =>
      Array.from({ length: columns }, (_, column) => ({ groupIndex: row * columns + column, ...prompt })),
    );
    const [, height, width] = opened.value().evaluationShape;
    const pictures = await samplePictures(requests, signal);
    return encodePng(imageGrid(pictures, columns, { height, width, scale, gap: SAMPLE_GAP }));
  },
};

serveThread(service, async () => opened.current()?.engine.close());
