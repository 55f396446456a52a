/** @file A pipeline folder, opened: tokenizer, schedule, prompt embeddings, decoding. denoiser.ts opens the denoiser. */

import { at } from '../../at.js';
import { createNoiseSchedule, type NoiseSchedule } from '../diffusion/noise-schedule.js';
import type { Engine } from '../engines/contract/engine.js';
import { elementCount } from '../tensor.js';
import { type Conditioning, createConditioning } from './conditioning.js';
import { openImageDecoder } from './image-decoder.js';
import { type PipelineFolder, readPipelineFolder } from './pipeline-folder.js';
import { openPromptEncoder } from './prompt-encoder.js';
import type { Tokenizer } from './tokenizers/tokenizer.js';

/** Most prompts whose embeddings are kept; the least recently used goes first. */
const EMBEDDINGS_KEPT = 1024;

export interface Pipeline {
  readonly folder: PipelineFolder;
  readonly tokenizer: Tokenizer;
  readonly schedule: NoiseSchedule;
  /** [C, H, W] of the latents, which are the picture itself where there is no VAE. */
  readonly latentShape: readonly [number, number, number];
  /** [3, H', W'] of the pictures that `decode` returns. Exporters leave them open: with a VAE it decodes a picture. */
  imageShape(): Promise<readonly [number, number, number]>;
  /** [tokens, width] of a prompt's embedding. */
  readonly embedsShape: readonly [number, number];
  /**
   * Returns a prompt's embeddings [tokens, width], followed by its pooled embedding where the network takes one (SDXL). The
   * empty prompt is the unconditional one.
   */
  embedPrompt(prompt: string): Promise<Float32Array>;
  /** The same for what guidance leads away from: a negative prompt, else that of the pipeline, else the empty prompt. */
  embedNegative(negativePrompt?: string): Promise<Float32Array>;
  /** Turns rows of such embeddings into the network's inputs. */
  readonly conditioning: Conditioning;
  /** Turns final latents [B, C, H, W] into pictures [B, 3, H', W'] in [-1, 1]. */
  decode(latents: Float32Array, batchSize: number): Promise<Float32Array>;
  release(): Promise<void>;
}

interface PipelineOptions {
  /** Takes the place of the empty prompt under guidance, where a prompt has none of its own. */
  readonly negativePrompt?: string | undefined;
}

/** Opens a pipeline folder. Errors: TRIB_MODEL or TRIB_FILE, naming the file that is missing or not what is needed. */
export async function openPipeline(
  engine: Engine,
  path: string,
  { negativePrompt: common = '' }: PipelineOptions = {},
): Promise<Pipeline> {
  const folder = await readPipelineFolder(path);
  const encoder = await openPromptEncoder(engine, folder);
  // A word that the model does not know is said before anything is drawn.
  if (common !== '') encoder.tokenizer.encode(common);
  const { family, config } = folder.denoiser;
  const { channels, sampleSize } = config;
  const latentShape = [channels, ...sampleSize] as const;
  const decoder = folder.vaeDecoder && (await openImageDecoder(engine, folder.vaeDecoder, latentShape));
  const { embedsShape } = encoder;
  const embeddings = new Map<string, Float32Array>();
  const pictureSize = sampleSize.map((size) => size * (folder.vaeDecoder?.config.upscaling ?? 1));

  async function embedPrompt(prompt: string): Promise<Float32Array> {
    const known = embeddings.get(prompt);
    embeddings.delete(prompt);
    const embeds = known ?? (await encoder.embed(prompt));
    embeddings.set(prompt, embeds);
    const [oldest] = embeddings.keys();
    if (embeddings.size > EMBEDDINGS_KEPT && oldest !== undefined) embeddings.delete(oldest);
    return embeds;
  }

  return {
    folder,
    tokenizer: encoder.tokenizer,
    schedule: createNoiseSchedule(folder.scheduler),
    latentShape,
    embedsShape,
    embedPrompt,
    embedNegative: (negativePrompt = common) => embedPrompt(negativePrompt),
    conditioning: createConditioning(family.conditioning(config, embedsShape), embedsShape, pictureSize),
    async imageShape() {
      if (!decoder) return latentShape;
      const { shape } = await decoder.decode(new Float32Array(elementCount(latentShape)), 1);
      return [at(shape, 1), at(shape, 2), at(shape, 3)];
    },
    async decode(latents, batchSize) {
      const images = decoder ? (await decoder.decode(latents, batchSize)).data : latents;
      return images.map((value) => Math.min(1, Math.max(-1, value)));
    },
    async release() {
      await encoder.release();
      await decoder?.release();
    },
  };
}
