/** @file A pipeline folder, opened: tokenizer, schedule, prompt embeddings, decoding. The denoiser is opened apart (denoiser.ts). */

import { readFile } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import type { Engine, Executable, Port } from '../engines/engine.js';
import type { Tensor } from '../tensor.js';
import { elementCount, float32, float32Data, int32, int64 } from '../tensor.js';
import type { NoiseSchedule } from './noise-schedule.js';
import { createNoiseSchedule } from './noise-schedule.js';
import type { PipelineFolder } from './pipeline-folder.js';
import { readPipelineFolder } from './pipeline-folder.js';
import type { Tokenizer } from './tokenizer.js';
import { loadTokenizer } from './tokenizer.js';

/** Most prompts whose embeddings are kept; the longest unused goes first. */
const EMBEDDINGS_KEPT = 1024;

export interface Pipeline {
  readonly folder: PipelineFolder;
  readonly tokenizer: Tokenizer;
  readonly schedule: NoiseSchedule;
  /** [C, H, W] of the latents; of the picture itself where there is no VAE. */
  readonly latentShape: readonly [number, number, number];
  /** [3, H', W'] of the pictures that `decode` gives. With a VAE it decodes one, because exporters leave its sizes open. */
  imageShape(): Promise<readonly [number, number, number]>;
  /** [tokens, width] of a prompt's embedding. */
  readonly embedsShape: readonly [number, number];
  /** Returns promptEmbeds [tokens, width] of a prompt; the empty prompt is the unconditional one. */
  embedPrompt(prompt: string): Promise<Float32Array>;
  /** Turns final latents [B, C, H, W] into pictures [B, 3, H', W'] in [-1, 1]. */
  decode(latents: Float32Array, batchSize: number): Promise<Float32Array>;
  release(): Promise<void>;
}

/**
 * Opens a pipeline folder.
 * @throws TRIB_MODEL or TRIB_FILE, naming the file, when something is missing or not what a pipeline needs.
 */
export async function openPipeline(engine: Engine, path: string): Promise<Pipeline> {
  const folder = await readPipelineFolder(path);
  const tokenizer = loadTokenizer(folder.tokenizerPath);
  const textEncoder = await engine.compile(await readModel(folder.textEncoder.modelPath), {
    label: folder.textEncoder.modelPath,
  });
  const vaeDecoder = folder.vaeDecoder
    ? await engine.compile(await readModel(folder.vaeDecoder.modelPath), {
        label: folder.vaeDecoder.modelPath,
      })
    : undefined;
  const { inChannels, sampleSize, crossAttentionDim } = folder.unet.config;
  const latentShape = [inChannels, ...sampleSize] as const;
  const embedsShape = [tokenizer.modelMaxLength, crossAttentionDim] as const;
  const embeddings = new Map<string, Float32Array>();

  async function decodeWith(decoder: Executable, latents: Float32Array, batchSize: number): Promise<Tensor> {
    const scale = folder.vaeDecoder?.config.scalingFactor ?? 1;
    const scaled = float32(
      latents.map((value) => value / scale),
      [batchSize, ...latentShape],
    );
    const { sample } = await decoder.run({ latent_sample: scaled });
    return float32(float32Data(sample, 'sample'), sample?.shape ?? []);
  }
  return {
    folder,
    tokenizer,
    schedule: createNoiseSchedule(folder.scheduler),
    latentShape,
    embedsShape,
    async embedPrompt(prompt) {
      const known = embeddings.get(prompt);
      embeddings.delete(prompt);
      const embeds =
        known ?? (await encode(textEncoder, tokenizer, prompt, embedsShape, folder.textEncoder.modelPath));
      embeddings.set(prompt, embeds);
      const [oldest] = embeddings.keys();
      if (embeddings.size > EMBEDDINGS_KEPT && oldest !== undefined) embeddings.delete(oldest);
      return embeds;
    },
    async imageShape() {
      if (!vaeDecoder) return latentShape;
      const { shape } = await decodeWith(vaeDecoder, new Float32Array(elementCount(latentShape)), 1);
      const [, channels = 0, height = 0, width = 0] = shape;
      return [channels, height, width];
    },
    async decode(latents, batchSize) {
      const images = vaeDecoder
        ? float32Data(await decodeWith(vaeDecoder, latents, batchSize), 'sample')
        : latents;
      return images.map((value) => Math.min(1, Math.max(-1, value)));
    },
    async release() {
      await textEncoder.release();
      await vaeDecoder?.release();
    },
  };
}

/** Reads a model file, or says what to do where it is not there. */
export async function readModel(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected a model file, got ${(cause as NodeJS.ErrnoException).code ?? 'an error'}. Export the pipeline again, or correct model.pipeline.`,
      {
        cause,
      },
    );
  }
}

async function encode(
  textEncoder: Executable,
  tokenizer: Tokenizer,
  prompt: string,
  shape: readonly [number, number],
  label: string,
): Promise<Float32Array> {
  const outputs = await textEncoder.run({
    input_ids: tokenIds(tokenizer.encode(prompt), textEncoder.inputs),
  });
  const embeds = float32Data(outputs.last_hidden_state, 'last_hidden_state');
  if (embeds.length === elementCount(shape)) return embeds;
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} output "last_hidden_state": expected [1, ${shape.join(', ')}], got [${outputs.last_hidden_state?.shape.join(', ')}]. Use the text encoder that belongs to the UNet.`,
  );
}

/** Token ids [1, tokens] in the integer type that the encoder takes. */
export function tokenIds(ids: Int32Array, inputs: readonly Port[]): Tensor {
  const shape = [1, ids.length];
  return inputs.find(({ name }) => name === 'input_ids')?.type === 'int32'
    ? int32(ids, shape)
    : int64([...ids], shape);
}
