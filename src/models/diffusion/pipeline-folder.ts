/**
 * @file A text-to-image model on disk, in the layout that optimum exports. Only paths and configs are read here; what
 * the graphs hold is the engine's business.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { readJsonFile } from '../files/json-file.js';
import {
  type AnySchedulerConfig,
  readSchedulerConfig,
  schedulerClass,
  schedulerConfigJson,
} from './scheduler-config.js';

/** `unet/config.json`: the shape of the latents that the network denoises. */
export interface UnetConfig {
  /** Height and width of the latents. */
  readonly sampleSize: readonly [height: number, width: number];
  readonly inChannels: number;
  readonly outChannels: number;
  /** Width of a token's embedding. */
  readonly crossAttentionDim: number;
}

/** `vae_decoder/config.json`. */
export interface VaeDecoderConfig {
  /** Latents are divided by it before they are decoded; 0.18215 where the file does not say. */
  readonly scalingFactor: number;
}

export interface PipelineFolder {
  readonly path: string;
  readonly scheduler: AnySchedulerConfig;
  /** Folder with the vocabulary. */
  readonly tokenizerPath: string;
  readonly textEncoder: { readonly modelPath: string };
  readonly unet: { readonly modelPath: string; readonly config: UnetConfig };
  /** Null for a model that works on pixels. */
  readonly vaeDecoder: { readonly modelPath: string; readonly config: VaeDecoderConfig } | null;
}

const EXPORT = 'Export the model with optimum (diffusers layout), or point to such a folder.';
const JSON_FILE = { code: 'TRIB_MODEL', nextStep: EXPORT } as const;

const object = { error: 'expected an object' };
const size = z
  .int({ error: 'expected an integer of at least 1' })
  .min(1, { error: 'expected an integer of at least 1' });
const component = z.array(z.unknown(), { error: 'expected [library, class]' });
const modelIndexSchema = z.object(
  { scheduler: component, text_encoder: component, tokenizer: component, unet: component },
  object,
);
const unetSchema = z.object(
  {
    sample_size: z.union([size, z.tuple([size, size])], { error: 'expected a size, or [height, width]' }),
    in_channels: size,
    out_channels: size,
    cross_attention_dim: size,
  },
  object,
);
const vaeDecoderSchema = z.object(
  {
    scaling_factor: z
      .number({ error: 'expected a number' })
      .positive({ error: 'expected a number above 0' })
      .default(0.18215),
  },
  object,
);

/**
 * Reads a pipeline folder: `model_index.json`, `scheduler/scheduler_config.json`, `tokenizer/`,
 * `text_encoder/model.onnx`, `unet/model.onnx` with `unet/config.json`, and `vae_decoder/` (`model.onnx` and
 * `config.json`) if there is one. Graphs are only checked to be there and not empty.
 *
 * Errors: TRIB_MODEL, naming the first file that is missing or does not fit.
 */
export async function readPipelineFolder(path: string): Promise<PipelineFolder> {
  await requireFolder(path, 'a pipeline folder');
  await readJsonFile(join(path, 'model_index.json'), modelIndexSchema, JSON_FILE);
  const scheduler = await readSchedulerConfig(join(path, 'scheduler', 'scheduler_config.json'));
  const tokenizerPath = join(path, 'tokenizer');
  await requireFolder(tokenizerPath, "a folder with the tokenizer's vocabulary");
  const textEncoder = { modelPath: await requireGraph(path, 'text_encoder') };
  const unet = { modelPath: await requireGraph(path, 'unet'), config: await readUnetConfig(path) };
  return { path, scheduler, tokenizerPath, textEncoder, unet, vaeDecoder: await readVaeDecoder(path) };
}

/**
 * Writes the JSON files of a pipeline folder that works on pixels (no `vae_decoder/`), such that `readPipelineFolder`
 * gives the same configs back once the graphs and the tokenizer lie beside them. Equal configs give equal bytes.
 *
 * Errors: TRIB_FILE if the folder cannot be written.
 */
export async function writePipelineConfigs(
  path: string,
  { scheduler, unet }: { readonly scheduler: AnySchedulerConfig; readonly unet: UnetConfig },
): Promise<void> {
  const graph = ['tributary', 'OnnxGraph'];
  const files = {
    'model_index.json': {
      _class_name: 'TributaryPipeline',
      scheduler: ['diffusers', schedulerClass(scheduler)],
      text_encoder: graph,
      tokenizer: ['tributary', 'Tokenizer'],
      unet: graph,
    },
    'scheduler/scheduler_config.json': schedulerConfigJson(scheduler),
    'unet/config.json': {
      sample_size: unet.sampleSize,
      in_channels: unet.inChannels,
      out_channels: unet.outChannels,
      cross_attention_dim: unet.crossAttentionDim,
    },
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFileAtomic(join(path, name), `${JSON.stringify(content, null, 2)}\n`);
  }
}

async function readUnetConfig(path: string): Promise<UnetConfig> {
  const config = await readJsonFile(join(path, 'unet', 'config.json'), unetSchema, JSON_FILE);
  const { sample_size: sampleSize } = config;
  return {
    sampleSize: typeof sampleSize === 'number' ? [sampleSize, sampleSize] : sampleSize,
    inChannels: config.in_channels,
    outChannels: config.out_channels,
    crossAttentionDim: config.cross_attention_dim,
  };
}

async function readVaeDecoder(path: string): Promise<PipelineFolder['vaeDecoder']> {
  if ((await statOrNull(join(path, 'vae_decoder'))) === null) return null;
  const modelPath = await requireGraph(path, 'vae_decoder');
  const config = await readJsonFile(join(path, 'vae_decoder', 'config.json'), vaeDecoderSchema, JSON_FILE);
  return { modelPath, config: { scalingFactor: config.scaling_factor } };
}

async function requireGraph(path: string, name: string): Promise<string> {
  const modelPath = join(path, name, 'model.onnx');
  const stats = await statOrNull(modelPath);
  if (stats?.isFile() && stats.size > 0) return modelPath;
  const got = stats === null ? 'no such file' : stats.isFile() ? 'an empty file' : 'a folder';
  throw new TributaryError('TRIB_MODEL', `${modelPath}: expected an ONNX graph, got ${got}. ${EXPORT}`);
}

async function requireFolder(path: string, what: string): Promise<void> {
  const stats = await statOrNull(path);
  if (stats?.isDirectory()) return;
  const got = stats === null ? 'no such folder' : 'a file';
  throw new TributaryError('TRIB_MODEL', `${path}: expected ${what}, got ${got}. ${EXPORT}`);
}

async function statOrNull(path: string) {
  return stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return null;
    const text = `${path}: expected to read it, got ${cause.code}. Check the path and its rights.`;
    throw new TributaryError('TRIB_MODEL', text, { cause });
  });
}
