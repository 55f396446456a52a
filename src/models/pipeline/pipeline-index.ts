/** @file `model_index.json`: what a pipeline folder says of itself, and its scheduler as its pipeline corrects it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import type { AnySchedulerConfig } from '../diffusion/scheduler-config.js';
import { type JsonFile, readJsonFile } from '../files/json-file.js';
import { EXPORT } from '../networks/component-weights.js';
import { objectOf } from '../networks/config-fields.js';
import {
  DENOISER_FAMILIES,
  type DenoiserConfig,
  type DenoiserFamily,
  UNET,
} from '../networks/denoiser-family.js';
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
  /** Tokens of the third text encoder, behind those of the others (SD 3); 0 for other models. */
  readonly thirdTokens: number;
  /** Whether that encoder, T5, is there; where it is not, its tokens are zeros. */
  readonly hasThird: boolean;
}

const JSON_FILE = { code: 'TRIB_MODEL', nextStep: EXPORT } as const;

/** `max_sequence_length` of diffusers' pipeline: the tokens of its third text encoder. */
const THIRD_TOKENS = 256;

const component = z.array(z.unknown(), { error: 'expected [library, class]' });
const isThere = (part: unknown): part is unknown[] =>
  Array.isArray(part) && part.some((name) => name !== null);
const needed = (error: string) => component.refine(isThere, { error });
const modelIndexSchema = objectOf({
  scheduler: component,
  text_encoder: component,
  text_encoder_2: component.optional(),
  tokenizer: component,
  [UNET.component]: component,
  force_zeros_for_empty_prompt: z.boolean().optional(),
});
const NO_ZEROS = 'expected [library, class], because only the third text encoder can be left out';
const sd3IndexSchema = objectOf({
  scheduler: component,
  text_encoder: needed(NO_ZEROS),
  text_encoder_2: needed(NO_ZEROS),
  tokenizer: needed(NO_ZEROS),
  tokenizer_2: needed(NO_ZEROS),
  text_encoder_3: z.unknown().refine((part) => !isThere(part) || part[1] === 'T5EncoderModel', {
    error: 'expected T5EncoderModel or null',
  }),
});
const headSchema = z.looseObject({ _class_name: z.string().catch('?') }, { error: 'expected an object' });

/** Reads the `model_index.json` of a folder. Errors: TRIB_MODEL, naming the key, or if the denoiser is none of the table. */
export async function readPipelineIndex(source: Pick<PipelineSource, 'json'>): Promise<PipelineIndex> {
  const indexPath = source.json('model_index.json');
  const head = await readJsonFile(indexPath, headSchema, JSON_FILE);
  const { _class_name: pipelineClass } = head;
  const family = familyOf(indexPath, head);
  if (family.prompts === 'padded') {
    const nextStep = 'Use a whole folder of SD 3 or SD 3.5.';
    const { scheduler, text_encoder, text_encoder_2, text_encoder_3 } = await readJsonFile(
      indexPath,
      sd3IndexSchema,
      {
        ...JSON_FILE,
        nextStep,
      },
    );
    const textClasses = [text_encoder, text_encoder_2].map(classOf);
    const rest = { zeroEmptyPrompt: false, thirdTokens: THIRD_TOKENS, hasThird: isThere(text_encoder_3) };
    return { pipelineClass, schedulerClass: classOf(scheduler), family, textClasses, ...rest };
  }
  requireBase(indexPath, head);
  const index = await readJsonFile(indexPath, modelIndexSchema, JSON_FILE);
  const second = index.text_encoder_2;
  const isSdxl = isThere(second);
  return {
    ...{ pipelineClass, family, thirdTokens: 0, hasThird: false },
    schedulerClass: classOf(index.scheduler),
    textClasses: [index.text_encoder, ...(isSdxl ? [second] : [])].map(classOf),
    zeroEmptyPrompt: isSdxl && (index.force_zeros_for_empty_prompt ?? true),
  };
}

const classOf = ([, name]: readonly unknown[]) => (typeof name === 'string' ? name : null);

/**
 * The row of the denoiser that the index lists.
 *
 * Errors: TRIB_MODEL if it lists none, two, or one of another class.
 */
function familyOf(path: JsonFile, index: z.output<typeof headSchema>): DenoiserFamily {
  const fault = (expected: string, got: string) =>
    new TributaryError(
      'TRIB_MODEL',
      `${path} _class_name: expected ${expected}, got "${index._class_name}" with ${got}. ${EXPORT}`,
    );
  const kinds = DENOISER_FAMILIES.map(({ title, models }) => `a ${title} (${models})`).join(' or ');
  const listed = [...new Set(DENOISER_FAMILIES.map((family) => family.component))].filter((name) =>
    isThere(index[name]),
  );
  const [name, ...others] = listed;
  if (others.length > 0) throw fault('a pipeline with one denoiser', listed.join(' and '));
  if (name === undefined || name === UNET.component) return UNET;
  const className = classOf(index[name] as unknown[]);
  const family = DENOISER_FAMILIES.find((one) => one.component === name && one.className === className);
  if (family) return family;
  throw fault(`a pipeline with ${kinds}`, `${className === null ? `a ${name}` : className} as its ${name}`);
}

/** SDXL's refiner has the second text encoder alone. */
function requireBase(path: JsonFile, index: z.output<typeof headSchema>): void {
  const { text_encoder: first, text_encoder_2: second } = index;
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

/** Reads the config of a pipeline's denoiser, whether or not its weights are there. Errors: TRIB_MODEL. */
export async function readPipelineDenoiser(path: string): Promise<DenoiserConfig> {
  const source = await openPipelineSource(path);
  const { family } = await readPipelineIndex(source);
  return family.readConfig(source.json(`${family.component}/config.json`));
}
