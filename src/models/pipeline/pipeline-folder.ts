/**
 * @file A text-to-image model on disk, as optimum exports it or as diffusers saves it. Only paths and configs are read
 * here; what the graphs hold is the engine's business.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import type { AnySchedulerConfig } from '../diffusion/scheduler-config.js';
import { readJsonFile } from '../files/json-file.js';
import {
  type AutoencoderConfig,
  readAutoencoderConfig,
  sampleSizeField,
  upscaling,
} from '../networks/autoencoder-kl-decoder.js';
import { type ClipTextConfig, readClipTextConfig } from '../networks/clip-text-model.js';
import { CONVERT, PICKLE, pickleFault } from '../networks/component-weights.js';
import { absent, count, perResolution, scalingFactor } from '../networks/config-fields.js';
import {
  type AddedEmbeddings,
  addedEmbeddings,
  addedFields,
  readUnet2dConditionConfig,
  type Unet2dConditionConfig,
} from '../networks/unet-config.js';
import { type Announced, componentFile, EXPORT, NOTHING_ANNOUNCED } from './component-file.js';
import { corrected, type PipelineCorrections, precedesSampleSize } from './pipeline-corrections.js';
import { readPipelineIndex, schedulerConfigPath } from './pipeline-index.js';
import { readSchedulerConfig } from './read-scheduler-config.js';

/** `unet/config.json`: the shape of the latents that the network denoises. */
export interface UnetConfig {
  /** Height and width of the latents. */
  readonly sampleSize: readonly [height: number, width: number];
  readonly inChannels: number;
  readonly outChannels: number;
  /** Width of a token's embedding. */
  readonly crossAttentionDim: number;
  /** What the network is told beside the tokens (SDXL); null where it has no such inputs. */
  readonly added: AddedEmbeddings | null;
}

/** `config.json` of the decoder. */
export interface VaeDecoderConfig {
  /** Latents are divided by it before they are decoded; 0.18215 where the file does not say. */
  readonly scalingFactor: number;
  /** How much larger a picture is than its latents; 8 where the file does not say. */
  readonly upscaling: number;
  /** Height and width of the latents that it was trained on: those of a tile; null where the file does not say. */
  readonly tileSize: number | null;
}

/**
 * A graph on disk. `architecture` is null for an ONNX graph, and what the graph is built from where `modelPath` is a
 * safetensors file, or the index of several.
 */
export interface ModelOnDisk<Architecture> {
  readonly modelPath: string;
  readonly architecture: Architecture | null;
}

export interface TextEncoderOnDisk extends ModelOnDisk<ClipTextConfig> {
  /** Folder with the vocabulary. */
  readonly tokenizerPath: string;
}

export interface PipelineFolder {
  readonly path: string;
  readonly scheduler: AnySchedulerConfig;
  /** What of the configs is read otherwise than it is written, because the pipeline's class corrects it: a sentence each. */
  readonly corrections: readonly string[];
  /** One; two for SDXL, whose embeddings are joined in this order. */
  readonly textEncoders: readonly TextEncoderOnDisk[];
  /** Whether the empty prompt is embedded as zeros (SDXL). */
  readonly zeroEmptyPrompt: boolean;
  readonly unet: ModelOnDisk<Unet2dConditionConfig> & { readonly config: UnetConfig };
  /** Null for a model that works on pixels. */
  readonly vaeDecoder: (ModelOnDisk<AutoencoderConfig> & { readonly config: VaeDecoderConfig }) | null;
}

const JSON_FILE = { code: 'TRIB_MODEL', nextStep: EXPORT } as const;

const object = { error: 'expected an object' };
const size = count();
/** Numbers in one latent: 64 MB in single precision, 64 times that of a picture of 2048 x 2048. */
const MOST_LATENT = 2 ** 24;
const unetSchema = z.object(
  {
    sample_size: z.union([size, z.tuple([size, size])], { error: 'expected a size, or [height, width]' }),
    in_channels: size,
    out_channels: size,
    cross_attention_dim: size,
    ...addedFields,
  },
  object,
);
const sampleSizeSchema = z.object(
  { sample_size: z.unknown(), _diffusers_version: z.string().optional().catch(undefined) },
  object,
);
const vaeDecoderSchema = z.object(
  {
    scaling_factor: scalingFactor().default(0.18215),
    block_out_channels: perResolution(size, 'expected a list of channels').optional(),
    sample_size: sampleSizeField,
    ...absent(['shift_factor', 'latents_mean', 'latents_std']),
  },
  object,
);

/**
 * Reads a pipeline folder: `model_index.json`, `scheduler/scheduler_config.json`, `tokenizer/`, `text_encoder/`, `unet/`
 * with `config.json`, and a decoder if there is one (`vae_decoder/` beside ONNX graphs, `vae/` beside safetensors);
 * for SDXL also `tokenizer_2/` and `text_encoder_2/`. Each network is an ONNX graph or safetensors (see
 * `componentFile`); they are only checked to be there and not empty. With `announced` the configs alone must be there,
 * which is how a model is checked before its weights are fetched.
 *
 * Errors: TRIB_MODEL, naming the first file that is missing or does not fit.
 */
export async function readPipelineFolder(
  path: string,
  announced: Announced = NOTHING_ANNOUNCED,
): Promise<PipelineFolder> {
  await requirePipelineFolder(path);
  const { pipelineClass, schedulerClass, isSdxl, zeroEmptyPrompt } = await readPipelineIndex(path);
  const corrections: string[] = [];
  const context = { pipelineClass, schedulerClass, warn: (message: string) => corrections.push(message) };
  const scheduler = await readSchedulerConfig(schedulerConfigPath(path), context);
  const textEncoders: TextEncoderOnDisk[] = [];
  for (const suffix of isSdxl ? ['', '_2'] : [''])
    textEncoders.push(await readTextEncoder(path, suffix, announced));
  const unet = await readUnet(path, announced, context);
  requireLatentSize(join(path, 'unet', 'config.json'), unet.config);
  const vaeDecoder = await readVaeDecoder(path, announced);
  return { path, scheduler, corrections, textEncoders, zeroEmptyPrompt, unet, vaeDecoder };
}

async function readTextEncoder(
  path: string,
  suffix: string,
  announced: Announced,
): Promise<TextEncoderOnDisk> {
  const tokenizerPath = join(path, `tokenizer${suffix}`);
  await requireFolder(tokenizerPath, "a folder with the tokenizer's vocabulary");
  const { modelPath, configPath } = await componentFile(path, `text_encoder${suffix}`, 'model', announced);
  return {
    modelPath,
    tokenizerPath,
    architecture: configPath === null ? null : await readClipTextConfig(configPath),
  };
}

async function readUnet(
  path: string,
  announced: Announced,
  context: PipelineCorrections,
): Promise<PipelineFolder['unet']> {
  const { modelPath, configPath } = await componentFile(path, 'unet', 'diffusion_pytorch_model', announced);
  if (configPath !== null) {
    const written = await readUnet2dConditionConfig(configPath);
    const architecture = {
      ...written,
      sampleSize: await sampleSizeOf(configPath, written.sampleSize, context),
    };
    return { modelPath, config: architecture, architecture };
  }
  const jsonPath = join(path, 'unet', 'config.json');
  const json = await readJsonFile(jsonPath, unetSchema, JSON_FILE);
  const { sample_size: sampleSize } = json;
  if (json.in_channels !== json.out_channels) {
    const text = `${jsonPath} in_channels: expected ${json.out_channels} as in out_channels (neither inpainting nor a learned variance is offered), got ${json.in_channels}. ${EXPORT}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  const config: UnetConfig = {
    sampleSize: await sampleSizeOf(
      jsonPath,
      typeof sampleSize === 'number' ? [sampleSize, sampleSize] : sampleSize,
      context,
    ),
    inChannels: json.in_channels,
    outChannels: json.out_channels,
    crossAttentionDim: json.cross_attention_dim,
    added: addedEmbeddings(json, jsonPath),
  };
  return { modelPath, config, architecture: null };
}

/** A latent is made before any weights could contradict its shape. */
function requireLatentSize(path: string, { inChannels, sampleSize: [height, width] }: UnetConfig): void {
  if (inChannels * height * width <= MOST_LATENT) return;
  const got = `${inChannels} x ${height} x ${width}`;
  const text = `${path} sample_size: expected latents of at most ${MOST_LATENT} numbers, got ${got}. ${EXPORT}`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** One size below 64 in a file from before diffusers 0.9.0 was a default, and not the model's. */
async function sampleSizeOf(
  path: string,
  written: UnetConfig['sampleSize'],
  context: PipelineCorrections,
): Promise<UnetConfig['sampleSize']> {
  const json = await readJsonFile(path, sampleSizeSchema, JSON_FILE);
  const { sample_size: size, _diffusers_version: version } = json;
  if (typeof size !== 'number' || size >= 64 || !precedesSampleSize(version)) return written;
  return corrected(context, 'sample_size', path, size, 64) === size ? written : [64, 64];
}

async function readVaeDecoder(path: string, announced: Announced): Promise<PipelineFolder['vaeDecoder']> {
  const isThere = async (name: string) =>
    (await statOrNull(join(path, name))) !== null ||
    [...announced].some((file) => file === name || file.startsWith(`${name}/`));
  const hasGraph = (await isThere('vae_decoder')) || (await isThere('vae_decoder.onnx'));
  if (!hasGraph && !(await isThere('vae'))) return null;
  const name = hasGraph ? 'vae_decoder' : 'vae';
  const { modelPath, configPath } = await componentFile(path, name, 'diffusion_pytorch_model', announced);
  if (configPath !== null) {
    const architecture = await readAutoencoderConfig(configPath);
    const { scalingFactor, sampleSize } = architecture;
    return {
      modelPath,
      architecture,
      config: decoderConfig(scalingFactor, upscaling(architecture), sampleSize),
    };
  }
  const json = await readJsonFile(join(path, 'vae_decoder', 'config.json'), vaeDecoderSchema, JSON_FILE);
  const scale = 2 ** ((json.block_out_channels?.length ?? 4) - 1);
  return {
    modelPath,
    architecture: null,
    config: decoderConfig(json.scaling_factor, scale, json.sample_size),
  };
}

function decoderConfig(scalingFactor: number, scale: number, sampleSize: number | null): VaeDecoderConfig {
  const tileSize = sampleSize === null ? null : Math.floor(sampleSize / scale);
  return { scalingFactor, upscaling: scale, tileSize };
}

/** A single file is refused with the reason: what it holds, and how it is split. */
async function requirePipelineFolder(path: string): Promise<void> {
  const stats = await statOrNull(path);
  if (stats?.isFile() && PICKLE.test(path)) throw pickleFault(path);
  if (stats?.isFile() && path.endsWith('.safetensors')) {
    const text = `${path}: expected a pipeline folder, got a single file, whose weights have other names. ${CONVERT}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  await requireFolder(path, 'a pipeline folder');
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
