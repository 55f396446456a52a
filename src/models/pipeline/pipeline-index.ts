/** @file `model_index.json`: what a pipeline folder says of itself, and its scheduler as its pipeline corrects it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import type { AnySchedulerConfig } from '../diffusion/scheduler-config.js';
import { type JsonFile, readJsonFile } from '../files/json-file.js';
import { EXPORT } from '../networks/component-weights.js';
import { objectOf } from '../networks/config-fields.js';
import { type DenoiserFamily, UNET } from '../networks/denoiser-family.js';
import { openPipelineSource, type PipelineSource } from './pipeline-source.js';
import { readSchedulerConfig } from './scheduler/read-scheduler-config.js';
import { loadTokenizer } from './tokenizers/tokenizer.js';
import type { Tokenizer } from './tokenizers/tokenizer-contract.js';

interface PipelineIndex {
  readonly pipelineClass: string;
  /** The class of the scheduler; null where the file names none. */
  readonly schedulerClass: string | null;
  readonly family: DenoiserFamily;
  /** The class of each text encoder, in order; null where the file names none. Two of them for SDXL. */
  readonly textClasses: readonly (string | null)[];
  /** Whether the empty prompt is embedded as zeros (SDXL). */
  readonly zeroEmptyPrompt: boolean;
}

const JSON_FILE = { code: 'TRIB_MODEL', nextStep: EXPORT } as const;

const component = z.array(z.unknown(), { error: 'expected [library, class]' });
const modelIndexSchema = objectOf({
  scheduler: component,
  text_encoder: component,
  text_encoder_2: component.optional(),
  tokenizer: component,
  [UNET.component]: component,
  force_zeros_for_empty_prompt: z.boolean().optional(),
});
const pipelineClassSchema = objectOf({
  _class_name: z.string().catch('?'),
  transformer: z.unknown().optional(),
  text_encoder: z.unknown().optional(),
  text_encoder_2: z.unknown().optional(),
});

/** Reads the `model_index.json` of a folder. Errors: TRIB_MODEL, naming the key, or if the pipeline has no UNet. */
export async function readPipelineIndex(source: Pick<PipelineSource, 'json'>): Promise<PipelineIndex> {
  const indexPath = source.json('model_index.json');
  const head = await readJsonFile(indexPath, pipelineClassSchema, JSON_FILE);
  const { _class_name: pipelineClass, transformer } = head;
  if (Array.isArray(transformer)) {
    const text = `${indexPath} _class_name: expected a pipeline with a ${UNET.title} (${UNET.models}), got "${pipelineClass}" with a transformer. ${EXPORT}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  requireBase(indexPath, head);
  const index = await readJsonFile(indexPath, modelIndexSchema, JSON_FILE);
  const classOf = ([, name]: readonly unknown[]) => (typeof name === 'string' ? name : null);
  const second = index.text_encoder_2;
  const isSdxl = second?.some((part) => part !== null) ?? false;
  return {
    pipelineClass,
    schedulerClass: classOf(index.scheduler),
    family: UNET,
    textClasses: [index.text_encoder, ...(isSdxl && second ? [second] : [])].map(classOf),
    zeroEmptyPrompt: isSdxl && (index.force_zeros_for_empty_prompt ?? true),
  };
}

/** SDXL's refiner has the second text encoder alone. */
function requireBase(
  path: JsonFile,
  { text_encoder: first, text_encoder_2: second }: z.output<typeof pipelineClassSchema>,
): void {
  const isThere = (part: unknown) => Array.isArray(part) && part.some((name) => name !== null);
  if (isThere(first) || !isThere(second)) return;
  const text = `${path} text_encoder: expected [library, class], got a refiner of SDXL, which has text_encoder_2 alone and goes on with pictures of the base. Use the base, such as stabilityai/stable-diffusion-xl-base-1.0.`;
  throw new TributaryError('TRIB_MODEL', text);
}

/**
 * Loads the tokenizer of a pipeline's first text encoder. Errors: TRIB_MODEL if there is no pipeline; as `loadTokenizer`.
 */
export async function readPipelineTokenizer(path: string): Promise<Tokenizer> {
  const source = await openPipelineSource(path);
  // Where there is no pipeline at all, its words are not what is missing.
  await readPipelineIndex(source);
  return loadTokenizer(await source.tokenizer('tokenizer'));
}

/** Whether a pipeline is there, as a folder with its index or as one file, whatever they hold. */
export const isPipelineThere = (path: string): boolean =>
  (path.endsWith('.safetensors') && existsSync(path)) || existsSync(join(path, 'model_index.json'));

export const SCHEDULER_CONFIG = 'scheduler/scheduler_config.json';

/**
 * Reads the scheduler of a pipeline folder, whether or not its networks are there, or of a one-file checkpoint.
 *
 * Errors: TRIB_MODEL, naming the file and the key.
 * @param warn takes a sentence about each value that the pipeline corrects, or that a checkpoint leaves open.
 */
export async function readPipelineScheduler(
  path: string,
  warn: (message: string) => void,
): Promise<AnySchedulerConfig> {
  const source = await openPipelineSource(path);
  source.notes.forEach(warn);
  const index = await readPipelineIndex(source);
  return readSchedulerConfig(source.json(SCHEDULER_CONFIG), { ...index, warn });
}
