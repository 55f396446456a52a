/**
 * @file What diffusers' pipelines correct in the configs of old models. The classes are those of diffusers 0.42.1 whose
 * constructors do so, and those of optimum-onnx, which call them. Pipelines of SDXL correct nothing.
 */

import type { JsonFile } from '../../files/json-file.js';

/** A value of a config that a pipeline replaces. */
export type Correction = 'steps_offset' | 'clip_sample' | 'sample_size';

const ALL: readonly Correction[] = ['steps_offset', 'clip_sample', 'sample_size'];
const OF_SCHEDULER: readonly Correction[] = ['steps_offset', 'clip_sample'];
const NOT_CLIPPING: readonly Correction[] = ['steps_offset', 'sample_size'];
const OF_NETWORK: readonly Correction[] = ['sample_size'];

const CORRECTIONS: ReadonlyMap<string, readonly Correction[]> = new Map([
  ['AltDiffusionImg2ImgPipeline', ALL],
  ['AltDiffusionPipeline', ALL],
  ['CycleDiffusionPipeline', NOT_CLIPPING],
  ['LEditsPPPipelineStableDiffusion', ALL],
  ['ORTStableDiffusionImg2ImgPipeline', ALL],
  ['ORTStableDiffusionInpaintPipeline', NOT_CLIPPING],
  ['ORTStableDiffusionPipeline', ALL],
  ['OnnxStableDiffusionImg2ImgPipeline', OF_SCHEDULER],
  ['OnnxStableDiffusionInpaintPipeline', OF_SCHEDULER],
  ['OnnxStableDiffusionInpaintPipelineLegacy', OF_SCHEDULER],
  ['OnnxStableDiffusionPipeline', OF_SCHEDULER],
  ['OnnxStableDiffusionUpscalePipeline', OF_SCHEDULER],
  ['StableDiffusionDepth2ImgPipeline', OF_NETWORK],
  ['StableDiffusionDiffEditPipeline', NOT_CLIPPING],
  ['StableDiffusionImageVariationPipeline', OF_NETWORK],
  ['StableDiffusionImg2ImgPipeline', ALL],
  ['StableDiffusionInpaintPipeline', NOT_CLIPPING],
  ['StableDiffusionInpaintPipelineLegacy', ALL],
  ['StableDiffusionPAGImg2ImgPipeline', ALL],
  ['StableDiffusionPAGInpaintPipeline', ALL],
  ['StableDiffusionPAGPipeline', ALL],
  ['StableDiffusionPipeline', ALL],
  ['StableDiffusionPipelineSafe', ALL],
]);

/** The pipeline that a model_index.json names, and where to say what it corrects. */
export interface PipelineCorrections {
  readonly pipelineClass: string;
  /** Takes a sentence about a value that was replaced. */
  readonly warn: (message: string) => void;
}

/** No pipeline, as for a file by itself. */
export const NO_CORRECTIONS: PipelineCorrections = { pipelineClass: '', warn: () => {} };

/** Returns the value that a pipeline of this class works with, and warns where the file has another. */
export function correct<Value>(
  { pipelineClass, warn }: PipelineCorrections,
  correction: Correction,
  path: JsonFile,
  [written, right]: readonly [Value, Value],
): Value {
  if (written === right || !CORRECTIONS.get(pipelineClass)?.includes(correction)) return written;
  warn(
    `${path} ${correction}: ${JSON.stringify(written)} is read as ${JSON.stringify(right)}, as ${pipelineClass} of diffusers corrects it. ` +
      `Write ${JSON.stringify(right)} into the file, or name another pipeline in model_index.json.`,
  );
  return right;
}

/** Says whether a denoiser was saved before diffusers 0.9.0, whose `sample_size` was not that of the model. */
export function precedesSampleSize(diffusersVersion: string | undefined): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(diffusersVersion ?? '') ?? [];
  return major === '0' && Number(minor) < 9;
}
