/** @file The thread in which rollouts are computed. */

import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { inOrder } from '../../../models/engines/chunks.js';
import type { Provider } from '../../../models/engines/contract/engine.js';
import { requireHalf } from '../../../models/engines/half-support.js';
import { type EngineSettings, openEngine } from '../../../models/engines/open-engine.js';
import type { Precision } from '../../../models/graph/graph.js';
import type { LoraSettings } from '../../../models/graph/weights/lora.js';
import { imageGrid } from '../../../models/images/image-grid.js';
import { encodePng, pictureDifference, toRgb8 } from '../../../models/images/picture.js';
import { type PictureStatistics, pictureStatistics } from '../../../models/images/picture-statistics.js';
import type { NamedArrays } from '../../../models/optimizers/adamw.js';
import { openDenoiser } from '../../../models/pipeline/denoiser.js';
import type { EmbeddingPlace } from '../../../models/pipeline/embeddings/embedding-file.js';
import type { GivenSize, PictureSize } from '../../../models/pipeline/picture-size.js';
import { openPipeline, type Pipeline } from '../../../models/pipeline/pipeline.js';
import { decodePolicy, policyParameters, startingPolicy } from '../../../models/policy/policy-file.js';
import type { RolloutRequest, SampledGroup, SamplerSettings } from '../../../models/rollouts/sampler.js';
import { createSampler, denoiserRows, type Sampler } from '../../../models/rollouts/sampler.js';
import { createSizedSampler, sizeName } from '../../../models/rollouts/sized-sampler.js';
import { serveThread } from '../../../models/threads/thread.js';
import { requireOwnEntry } from '../../../own-modules.js';
import { type AdapterChoice, loraFor, readAdapters } from '../../directory/read-adapter.js';
import { SAMPLE_GAP } from '../../directory/run-samples.js';
import { openedOnce } from '../shared/open-thread.js';
import { type DrawnTree, type DrawRequest, drawPictures } from './draw-pictures.js';
import { type PaintedTrees, paintTrees, type TreesRequest } from './paint-trees.js';

interface SamplerThreadSettings {
  readonly engine: EngineSettings;
  readonly pipeline: string;
  /** Null where a policy is all of the weights. */
  readonly lora: LoraSettings | null;
  /** What to sample by; where it has layers of the denoiser, they replace `lora`. */
  readonly adapters: AdapterChoice;
  readonly embeddings: readonly EmbeddingPlace[];
  readonly precision: Precision;
  readonly sampler: SamplerSettings;
  /** Where a prompt has none of its own. */
  readonly negativePrompt: string | undefined;
  readonly size: PictureSize;
  /** As in a config's `model`. */
  readonly extraChannels: readonly number[] | undefined;
  /** Sizes that requests name; `size` is that of the others. */
  readonly buckets: readonly GivenSize[];
  /** Most rows of one run of the network; undefined for what suits the engine. */
  readonly chunkSize: number | undefined;
  /** Trained steps of the first round: what the first graphs are compiled for. */
  readonly trainedSteps: readonly number[];
  /** How evaluation pictures are drawn, where that is not as in training. */
  readonly evaluation: Pick<SamplerSettings, 'seed' | 'eta'> &
    Partial<Pick<SamplerSettings, 'numInferenceSteps' | 'guidanceScale'>> & { readonly size: PictureSize };
}

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

export interface PictureGrid {
  readonly png: Uint8Array;
  /** Pictures with a number that is not finite, which is drawn as black. */
  readonly numBroken: number;
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
  ): Promise<PictureGrid>;
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

const opened = openedOnce('sampler', async (settings: SamplerThreadSettings) => {
  const engine = openEngine(settings.engine);
  if (settings.precision === 'float16') await requireHalf(engine);
  const { sampler, trainedSteps } = settings;
  const { policy, changes, where, warnings } = await readAdapters(settings.adapters);
  const lora = policy ? loraFor(policy) : settings.lora;
  const pipeline = await openPipeline(engine, settings.pipeline, { ...settings, changes, lora });
  const sizedPipelines: Pipeline[] = [];
  for (const [index, bucket] of settings.buckets.entries())
    sizedPipelines.push(await pipeline.resized(bucket, `stages.sampler.buckets[${index}]`));
  if (sampler.forkPlan === 'module' && sampler.forkModule)
    await requireOwnEntry('fork plan', sampler.forkModule);
  const rows = denoiserRows(pipeline, sampler, trainedSteps);
  const { precision, chunkSize } = settings;
  const open = (of: Pipeline) => openDenoiser(engine, of, { lora, rows, precision, chunkSize });
  const denoiser = await open(pipeline);
  const denoisers = [denoiser];
  const samplers: Record<string, Sampler> = {};
  for (const [index, of] of sizedPipelines.entries()) {
    const own = of === pipeline ? denoiser : await open(of);
    if (own !== denoiser) denoisers.push(own);
    samplers[sizeName(at(settings.buckets, index))] = createSampler(of, own, sampler);
  }
  // Evaluation draws each picture from noise of its own, with the same sampler for every method, in the largest batch that
  // training has compiled a graph for.
  const probe: SamplerSettings = {
    ...sampler,
    seed: settings.evaluation.seed,
    noiseFor: 'evaluation',
    forkPlan: 'independent',
    numBranches: 1,
    groupsPerBatch: Math.max(...rows) / (pipeline.usesGuidance(sampler.guidanceScale) ? 2 : 1),
  };
  const { size, ...drawing } = settings.evaluation;
  const evaluation: SamplerSettings = {
    ...probe,
    ...drawing,
    stochasticSteps: drawing.eta === 0 ? 'none' : 'all',
  };
  const sized = await pipeline.resized({ ...settings.size, ...definedOf(size) }, 'evaluation');
  const ofEvaluation =
    sized === pipeline
      ? denoiser
      : await openDenoiser(engine, sized, {
          ...{ lora, precision, chunkSize },
          rows: denoiserRows(sized, evaluation, []),
        });
  if (ofEvaluation !== denoiser) denoisers.push(ofEvaluation);
  const { component, weights } = denoiser;
  const inputs = { component, weights, adapters: [...denoiser.adapters, ...pipeline.textAdapters] };
  return {
    engine,
    denoiser,
    denoisers,
    pipelines: [pipeline, ...sizedPipelines],
    inputs,
    lora,
    fileParameters: policy && policyParameters(policy, inputs, where),
    warnings,
    pipeline,
    samplerSettings: sampler,
    corrections: pipeline.folder.corrections,
    imageShape: await pipeline.imageShape(),
    evaluationShape: await sized.imageShape(),
    sampler: createSizedSampler(createSampler(pipeline, denoiser, sampler), samplers),
    evaluationSampler: createSampler(sized, ofEvaluation, evaluation),
    probeSampler: createSampler(pipeline, denoiser, probe),
    evaluationBatch: evaluation.groupsPerBatch,
  };
});

/** The sides that are there. */
const definedOf = ({ width, height }: PictureSize): PictureSize => ({
  ...(width !== undefined && { width }),
  ...(height !== undefined && { height }),
});

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
    const png = encodePng(imageGrid(pictures, columns, { height, width, scale, gap: SAMPLE_GAP }));
    return { png, numBroken: pictures.filter((picture) => !picture.every(Number.isFinite)).length };
  },
};

serveThread(service, async () => opened.current()?.engine.close());
