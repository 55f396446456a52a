/**
 * @file A text-to-image model on disk, as optimum exports it or as diffusers saves it. Only paths and configs are read
 * here, not the graphs.
 */
import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import type { AnySchedulerConfig } from '../diffusion/scheduler-config.js';
import { type JsonFile, readJsonFile } from '../files/json-file.js';
import { sampleSizeField } from '../networks/autoencoder-kl-decoder.js';
import { type ClipTextConfig, readClipTextConfig } from '../networks/clip-text-model.js';
import { EXPORT, type TensorViews } from '../networks/component-weights.js';
import {
  absent,
  count,
  objectOf,
  perResolution,
  scalingFactor,
  shiftFactor,
} from '../networks/config-fields.js';
import {
  type DenoiserConfig,
  type DenoiserFamily,
  type DenoiserOnDisk,
  MOST_LATENT,
} from '../networks/denoiser-family.js';
import { type LatentDecoder, readLatentDecoder } from '../networks/latent-decoder.js';
import { type Announced, NOTHING_ANNOUNCED } from './component-file.js';
import type { VectorTable } from './embeddings/embedding-file.js';
import { requireOneFamily } from './one-family.js';
import { readPipelineIndex, SCHEDULER_CONFIG } from './pipeline-index.js';
import { openPipelineSource, type PipelineSource } from './pipeline-source.js';
import { correct, type PipelineCorrections, precedesSampleSize } from './scheduler/pipeline-corrections.js';
import { readSchedulerConfig } from './scheduler/read-scheduler-config.js';
import { readT5, type T5OnDisk } from './t5-on-disk.js';
import type { TokenizerSource } from './tokenizers/tokenizer.js';

/** `config.json` of the decoder. */
interface VaeDecoderConfig {
  /** Latents are divided by it before they are decoded; 0.18215 where the file does not say. */
  readonly scalingFactor: number;
  /** Is added to latents after that; 0 where the file does not say. */
  readonly shift: number;
  /** How much larger a picture is than its latents; 8 where the file does not say. */
  readonly upscaling: number;
  /** Height and width of the latents that it was trained on: those of a tile; null where the file does not say. */
  readonly tileSize: number | null;
}

/** A network on disk. Beside safetensors the graph is built from `architecture`, which is null for an ONNX graph. */
interface ModelOnDisk<Architecture> {
  readonly modelPath: string;
  readonly architecture: Architecture | null;
  /** Where the file holds other networks too: the tensors of this one. */
  readonly views: TensorViews | null;
}

export interface TextEncoderOnDisk extends ModelOnDisk<ClipTextConfig> {
  /** Its folder, and the first part of an adapter's keys. */
  readonly component: string;
  readonly tokenizer: TokenizerSource;
  /** Textual inversions that were added to it. */
  readonly inversions?: readonly VectorTable[];
}

export interface PipelineFolder {
  readonly path: string;
  readonly scheduler: AnySchedulerConfig;
  /** A sentence about each config value that the pipeline's class corrects, or that a one-file checkpoint leaves open. */
  readonly corrections: readonly string[];
  /** One; two for SDXL and SD 3, whose embeddings are joined in this order. */
  readonly textEncoders: readonly TextEncoderOnDisk[];
  /** Whether the empty prompt is embedded as zeros (SDXL). */
  readonly zeroEmptyPrompt: boolean;
  /** Tokens behind those of the text encoders: of T5, or zeros where it is not there (SD 3); 0 for other models. */
  readonly thirdTokens: number;
  readonly t5: T5OnDisk | null;
  readonly denoiser: DenoiserOnDisk;
  /** Null for a model that works on pixels. */
  readonly vaeDecoder: (ModelOnDisk<LatentDecoder> & { readonly config: VaeDecoderConfig }) | null;
}

const JSON_FILE = { code: 'TRIB_MODEL', nextStep: EXPORT } as const;

const sampleSizeSchema = objectOf({
  sample_size: z.unknown(),
  _diffusers_version: z.string().optional().catch(undefined),
});
const vaeDecoderSchema = objectOf({
  scaling_factor: scalingFactor().default(0.18215),
  block_out_channels: perResolution(count(), 'expected a list of channels').optional(),
  sample_size: sampleSizeField,
  shift_factor: shiftFactor(),
  ...absent(['latents_mean', 'latents_std']),
});

/**
 * Reads a pipeline folder: `model_index.json`, `scheduler/scheduler_config.json`, `tokenizer/`, `text_encoder/`, the
 * denoiser's folder with `config.json`, and a decoder if there is one (`vae_decoder/` beside ONNX graphs, `vae/` beside
 * safetensors); for SDXL also `tokenizer_2/` and `text_encoder_2/`, and for SD 3 `_3` where it has T5. Each network is an ONNX graph or safetensors (see
 * `componentFile`) and is only checked to be there and not empty. Networks in `announced` need not be there yet: that is
 * how a model is checked before its weights are fetched. A checkpoint in one file stands for such a folder
 * (`readCheckpoint`).
 *
 * Errors: TRIB_MODEL, naming the first file that is missing or does not fit.
 */
export async function readPipelineFolder(
  path: string,
  announced: Announced = NOTHING_ANNOUNCED,
): Promise<PipelineFolder> {
  return pipelineOf(path, await openPipelineSource(path, announced));
}

/** Reads a pipeline from wherever its parts are. Errors: as `readPipelineFolder`. */
export async function pipelineOf(path: string, source: PipelineSource): Promise<PipelineFolder> {
  const index = await readPipelineIndex(source);
  const { pipelineClass, schedulerClass, family, textClasses, zeroEmptyPrompt, thirdTokens, hasThird } =
    index;
  const corrections: string[] = [...source.notes];
  const context = { pipelineClass, schedulerClass, warn: (message: string) => corrections.push(message) };
  const scheduler = await readSchedulerConfig(source.json(SCHEDULER_CONFIG), context);
  const textEncoders: TextEncoderOnDisk[] = [];
  for (const [index, textClass] of textClasses.entries())
    textEncoders.push(await readTextEncoder(source, index === 0 ? '' : `_${index + 1}`, textClass));
  const t5 = hasThird ? await readT5(path, source) : null;
  const denoiser = await readDenoiser(source, family, context);
  const vaeDecoder = await readVaeDecoder(source);
  if (vaeDecoder === null) requireColors(source.json('vae/config.json'), denoiser.config.channels);
  const prompts = { textEncoders, zeroEmptyPrompt, thirdTokens, t5 };
  const folder = { path, scheduler, corrections, ...prompts, denoiser, vaeDecoder };
  requireOneFamily(folder, (name) => source.json(name));
  return folder;
}

/** Without a decoder the network draws the pictures themselves. Errors: TRIB_MODEL where it draws anything else. */
function requireColors(path: JsonFile, channels: number): void {
  if (channels === 3) return;
  const text = `${path}: expected a decoder of the latents, which have ${channels} channels, got none. ${EXPORT}`;
  throw new TributaryError('TRIB_MODEL', text);
}

async function readTextEncoder(
  source: PipelineSource,
  suffix: string,
  textClass: string | null,
): Promise<TextEncoderOnDisk> {
  const tokenizer = await source.tokenizer(`tokenizer${suffix}`);
  const component = `text_encoder${suffix}`;
  const { modelPath, configPath, views } = await source.network(component, 'model');
  const architecture = configPath === null ? null : await readClipTextConfig(configPath, textClass);
  return { component, modelPath, views, tokenizer, architecture };
}

async function readDenoiser(
  source: PipelineSource,
  family: DenoiserFamily,
  context: PipelineCorrections,
): Promise<DenoiserOnDisk> {
  const { component } = family;
  const { modelPath, configPath, views } = await source.network(component, 'diffusion_pytorch_model');
  const jsonPath = source.json(`${component}/config.json`);
  const { config: written, network } =
    configPath === null
      ? { config: await family.readConfig(jsonPath), network: null }
      : await family.readDefinition(configPath);
  const config = { ...written, sampleSize: await sampleSizeOf(jsonPath, written.sampleSize, context) };
  requireLatentSize(jsonPath, config);
  return { family, modelPath, views, config, network };
}

/** A latent is made before any weights could contradict its shape. */
function requireLatentSize(path: JsonFile, { channels, sampleSize: [height, width] }: DenoiserConfig): void {
  if (channels * height * width <= MOST_LATENT) return;
  const got = `${channels} x ${height} x ${width}`;
  const text = `${path} sample_size: expected latents of at most ${MOST_LATENT} numbers, got ${got}. ${EXPORT}`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** In files from before diffusers 0.9.0, a single size below 64 was a default and not the model's. */
async function sampleSizeOf(
  path: JsonFile,
  written: DenoiserConfig['sampleSize'],
  context: PipelineCorrections,
): Promise<DenoiserConfig['sampleSize']> {
  const json = await readJsonFile(path, sampleSizeSchema, JSON_FILE);
  const { sample_size: size, _diffusers_version: version } = json;
  if (typeof size !== 'number' || size >= 64 || !precedesSampleSize(version)) return written;
  return correct(context, 'sample_size', path, [size, 64]) === size ? written : [64, 64];
}

async function readVaeDecoder(source: PipelineSource): Promise<PipelineFolder['vaeDecoder']> {
  const hasGraph = (await source.hasPart('vae_decoder')) || (await source.hasPart('vae_decoder.onnx'));
  if (!hasGraph && !(await source.hasPart('vae'))) return null;
  const name = hasGraph ? 'vae_decoder' : 'vae';
  const { modelPath, configPath, views } = await source.network(name, 'diffusion_pytorch_model');
  if (configPath !== null) {
    const architecture = await readLatentDecoder(configPath);
    const { scalingFactor, shift, upscaling, sampleSize } = architecture;
    const config = decoderConfig({ scalingFactor, shift, upscaling }, sampleSize);
    return { modelPath, views, architecture, config };
  }
  const json = await readJsonFile(source.json('vae_decoder/config.json'), vaeDecoderSchema, JSON_FILE);
  const upscaling = 2 ** ((json.block_out_channels?.length ?? 4) - 1);
  const { scaling_factor: scalingFactor, shift_factor: shift } = json;
  const config = decoderConfig({ scalingFactor, shift, upscaling }, json.sample_size);
  return { modelPath, views, architecture: null, config };
}

function decoderConfig(
  config: Omit<VaeDecoderConfig, 'tileSize'>,
  sampleSize: number | null,
): VaeDecoderConfig {
  return { ...config, tileSize: sampleSize === null ? null : Math.floor(sampleSize / config.upscaling) };
}
