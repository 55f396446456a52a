/** @file What the sampler's thread opens: the engine, the pipeline in its sizes, and a sampler for every use. */

import { at } from '../../../at.js';
import { requireHalf } from '../../../models/engines/half-support.js';
import { type EngineSettings, openEngine } from '../../../models/engines/open-engine.js';
import type { Precision } from '../../../models/graph/graph.js';
import type { LoraSettings } from '../../../models/graph/weights/lora.js';
import { openDenoiser } from '../../../models/pipeline/denoiser.js';
import type { EmbeddingPlace } from '../../../models/pipeline/embeddings/embedding-file.js';
import type { GivenSize, PictureSize } from '../../../models/pipeline/picture-size.js';
import { openPipeline, type Pipeline } from '../../../models/pipeline/pipeline.js';
import { policyParameters } from '../../../models/policy/policy-file.js';
import {
  createSampler,
  denoiserRows,
  type Sampler,
  type SamplerSettings,
} from '../../../models/rollouts/sampler.js';
import { createSizedSampler, sizeName } from '../../../models/rollouts/sized-sampler.js';
import { requireOwnEntry } from '../../../own-modules.js';
import { type AdapterChoice, loraFor, readAdapters } from '../../directory/read-adapter.js';

export interface SamplerThreadSettings {
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

/**
 * Opens the pipeline in every size that is asked for, and its samplers: of training, of evaluation, and of probes.
 * @param settings what a config says of them.
 */
export async function openSamplers(settings: SamplerThreadSettings) {
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
}

/** The sides that are there. */
const definedOf = ({ width, height }: PictureSize): PictureSize => ({
  ...(width !== undefined && { width }),
  ...(height !== undefined && { height }),
});
