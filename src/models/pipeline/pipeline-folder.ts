/**
 * @file A text-to-image model on disk, as optimum exports it or as diffusers saves it. Only paths and configs are read
 * here, not the graphs.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import type { AnySchedulerConfig } from '../diffusion/scheduler-config.js';
import { readJsonFile } from '../files/json-file.js';
import { sampleSizeField } from '../networks/autoencoder-kl-decoder.js';
import { type ClipTextConfig, readClipTextConfig } from '../networks/clip-text-model.js';
import { CONVERT, EXPORT, PICKLE, pickleFault } from '../networks/component-weights.js';
import { absent, count, noShift, objectOf, perResolution, scalingFactor } from '../networks/config-fields.js';
import type { DenoiserConfig, DenoiserFamily, DenoiserOnDisk } from '../networks/denoiser-family.js';
import { type LatentDecoder, readLatentDecoder } from '../networks/latent-decoder.js';
import { type Announced, componentFile, NOTHING_ANNOUNCED } from './component-file.js';
import { requireNoOther } from './no-pipeline.js';
import { correct, type PipelineCorrections, precedesSampleSize } from './pipeline-corrections.js';
import { readPipelineIndex, schedulerConfigPath } from './pipeline-index.js';
import { readSchedulerConfig } from './read-scheduler-config.js';

/** `config.json` of the decoder. */
interface VaeDecoderConfig {
  /** Latents are divided by it before they are decoded; 0.18215 where the file does not say. */
  readonly scalingFactor: number;
  /** How much larger a picture is than its latents; 8 where the file does not say. */
  readonly upscaling: number;
  /** Height and width of the latents that it was trained on: those of a tile; null where the file does not say. */
  readonly tileSize: number | null;
}

/** A network on disk. Beside safetensors the graph is built from `architecture`, which is null for an ONNX graph. */
interface ModelOnDisk<Architecture> {
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
  /** A sentence about each config value that the pipeline's class corrects. */
  readonly corrections: readonly string[];
  /** One; two for SDXL, whose embeddings are joined in this order. */
  readonly textEncoders: readonly TextEncoderOnDisk[];
  /** Whether the empty prompt is embedded as zeros (SDXL). */
  readonly zeroEmptyPrompt: boolean;
  readonly denoiser: DenoiserOnDisk;
  /** Null for a model that works on pixels. */
  readonly vaeDecoder: (ModelOnDisk<LatentDecoder> & { readonly config: VaeDecoderConfig }) | null;
}

const JSON_FILE = { code: 'TRIB_MODEL', nextStep: EXPORT } as const;

/** Numbers in one latent: 64 MB in single precision, 64 times that of a picture of 2048 x 2048. */
const MOST_LATENT = 2 ** 24;
const sampleSizeSchema = objectOf({
  sample_size: z.unknown(),
  _diffusers_version: z.string().optional().catch(undefined),
});
const vaeDecoderSchema = objectOf({
  scaling_factor: scalingFactor().default(0.18215),
  block_out_channels: perResolution(count(), 'expected a list of channels').optional(),
  sample_size: sampleSizeField,
  shift_factor: noShift(),
  ...absent(['latents_mean', 'latents_std']),
});

/**
 * Reads a pipeline folder: `model_index.json`, `scheduler/scheduler_config.json`, `tokenizer/`, `text_encoder/`, the
 * denoiser's folder with `config.json`, and a decoder if there is one (`vae_decoder/` beside ONNX graphs, `vae/` beside
 * safetensors); for SDXL also `tokenizer_2/` and `text_encoder_2/`. Each network is an ONNX graph or safetensors (see
 * `componentFile`) and is only checked to be there and not empty. Networks in `announced` need not be there yet: that is
 * how a model is checked before its weights are fetched.
 *
 * Errors: TRIB_MODEL, naming the first file that is missing or does not fit.
 */
export async function readPipelineFolder(
  path: string,
  announced: Announced = NOTHING_ANNOUNCED,
): Promise<PipelineFolder> {
  await requirePipelineFolder(path);
  const { pipelineClass, schedulerClass, family, textClasses, zeroEmptyPrompt } =
    await readPipelineIndex(path);
  const corrections: string[] = [];
  const context = { pipelineClass, schedulerClass, warn: (message: string) => corrections.push(message) };
  const scheduler = await readSchedulerConfig(schedulerConfigPath(path), context);
  const textEncoders: TextEncoderOnDisk[] = [];
  for (const [index, textClass] of textClasses.entries())
    textEncoders.push(await readTextEncoder(path, index === 0 ? '' : `_${index + 1}`, textClass, announced));
  const denoiser = await readDenoiser(path, family, announced, context);
  const vaeDecoder = await readVaeDecoder(path, announced);
  return { path, scheduler, corrections, textEncoders, zeroEmptyPrompt, denoiser, vaeDecoder };
}

async function readTextEncoder(
  path: string,
  suffix: string,
  textClass: string | null,
  announced: Announced,
): Promise<TextEncoderOnDisk> {
  const tokenizerPath = join(path, `tokenizer${suffix}`);
  await requireFolder(tokenizerPath, "a folder with the tokenizer's vocabulary");
  const { modelPath, configPath } = await componentFile(path, `text_encoder${suffix}`, 'model', announced);
  const architecture = configPath === null ? null : await readClipTextConfig(configPath, textClass);
  return { modelPath, tokenizerPath, architecture };
}

async function readDenoiser(
  path: string,
  family: DenoiserFamily,
  announced: Announced,
  context: PipelineCorrections,
): Promise<DenoiserOnDisk> {
  const { component } = family;
  const found = await componentFile(path, component, 'diffusion_pytorch_model', announced);
  const { modelPath, configPath } = found;
  const jsonPath = join(path, component, 'config.json');
  const { config: written, network } =
    configPath === null
      ? { config: await family.readConfig(jsonPath), network: null }
      : await family.readDefinition(configPath);
  const config = { ...written, sampleSize: await sampleSizeOf(jsonPath, written.sampleSize, context) };
  requireLatentSize(jsonPath, config);
  return { family, modelPath, config, network };
}

/** A latent is made before any weights could contradict its shape. */
function requireLatentSize(path: string, { channels, sampleSize: [height, width] }: DenoiserConfig): void {
  if (channels * height * width <= MOST_LATENT) return;
  const got = `${channels} x ${height} x ${width}`;
  const text = `${path} sample_size: expected latents of at most ${MOST_LATENT} numbers, got ${got}. ${EXPORT}`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** In files from before diffusers 0.9.0, a single size below 64 was a default and not the model's. */
async function sampleSizeOf(
  path: string,
  written: DenoiserConfig['sampleSize'],
  context: PipelineCorrections,
): Promise<DenoiserConfig['sampleSize']> {
  const json = await readJsonFile(path, sampleSizeSchema, JSON_FILE);
  const { sample_size: size, _diffusers_version: version } = json;
  if (typeof size !== 'number' || size >= 64 || !precedesSampleSize(version)) return written;
  return correct(context, 'sample_size', path, [size, 64]) === size ? written : [64, 64];
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
    const architecture = await readLatentDecoder(configPath);
    const { scalingFactor, upscaling, sampleSize } = architecture;
    const config = decoderConfig(scalingFactor, upscaling, sampleSize);
    return { modelPath, architecture, config };
  }
  const json = await readJsonFile(join(path, 'vae_decoder', 'config.json'), vaeDecoderSchema, JSON_FILE);
  const scale = 2 ** ((json.block_out_channels?.length ?? 4) - 1);
  const config = decoderConfig(json.scaling_factor, scale, json.sample_size);
  return { modelPath, architecture: null, config };
}

function decoderConfig(scalingFactor: number, scale: number, sampleSize: number | null): VaeDecoderConfig {
  const tileSize = sampleSize === null ? null : Math.floor(sampleSize / scale);
  return { scalingFactor, upscaling: scale, tileSize };
}

/** A single file is refused, with what it holds and how to convert it. */
async function requirePipelineFolder(path: string): Promise<void> {
  const stats = await statOrNull(path);
  if (stats?.isFile() && PICKLE.test(path)) throw pickleFault(path);
  if (stats?.isFile() && path.endsWith('.safetensors')) {
    const text = `${path}: expected a pipeline folder, got a single file, whose weights have other names. ${CONVERT}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  await requireNoOther(path);
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
    const text = `${path}: expected to read it, got ${cause.code}. Check the path and its permissions.`;
    throw new TributaryError('TRIB_MODEL', text, { cause });
  });
}
