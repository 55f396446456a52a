/** @file A pipeline folder, opened: tokenizer, schedule, prompt embeddings, decoding. denoiser.ts opens the denoiser. */

import { at } from '../../at.js';
import { usesGuidance } from '../diffusion/guided-output.js';
import { createNoiseSchedule, type NoiseSchedule } from '../diffusion/noise-schedule.js';
import type { Engine } from '../engines/contract/engine.js';
import type { Adapter, LoraSettings } from '../graph/weights/lora.js';
import {
  type ComponentChanges,
  requireComponents,
  type WeightChange,
} from '../graph/weights/weight-change.js';
import type { DenoiserConfig } from '../networks/denoiser-family.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import { elementCount } from '../tensor.js';
import { type Conditioning, createConditioning } from './conditioning.js';
import type { EmbeddingPlace } from './embeddings/embedding-file.js';
import { withEmbeddings } from './embeddings/fitting-embeddings.js';
import { fittingChannels } from './extra-channels.js';
import { requireFinite } from './finite-numbers.js';
import { openImageDecoder } from './image-decoder.js';
import { ownSize, type PictureSize, sizedFolder } from './picture-size.js';
import { type PipelineFolder, readPipelineFolder } from './pipeline-folder.js';
import { openPromptEncoder } from './prompt-encoder.js';
import type { Tokenizer } from './tokenizers/tokenizer-contract.js';

/** Most prompts whose embeddings are kept; the least recently used goes first. */
const EMBEDDINGS_KEPT = 1024;

export interface Pipeline {
  readonly folder: PipelineFolder;
  /** How the weights of the denoiser differ from those in the folder. */
  readonly denoiserChanges: readonly WeightChange[];
  readonly tokenizer: Tokenizer;
  readonly schedule: NoiseSchedule;
  /** What fills the channels that the network takes beside the latents. */
  readonly extraChannels: readonly number[];
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
  /** Adapters of the text encoders, whose parameters `usePolicy` takes; none where they are frozen. */
  readonly textAdapters: readonly Adapter[];
  /** The policy of all later embeddings. Embeddings by another one are forgotten. */
  usePolicy(parameters: NamedArrays): Promise<void>;
  /** What guidance leads away from, where a prompt has no negative prompt of its own; empty where nobody said. */
  readonly negativePrompt: string;
  /** Turns rows of such embeddings into the network's inputs. */
  readonly conditioning: Conditioning;
  /** Whether the network runs without the prompt too under this scale; not if it takes the scale as an input (LCM). */
  usesGuidance(guidanceScale: number): boolean;
  /** Turns final latents [B, C, H, W] into pictures [B, 3, H', W'] in [-1, 1]. Errors: as `requireFinite`. */
  decode(latents: Float32Array, batchSize: number): Promise<Float32Array>;
  /** The same model for pictures of another size, with the same text encoders; `place` as in `sizedFolder`. */
  resized(size: PictureSize, place: string): Promise<Pipeline>;
  release(): Promise<void>;
}

interface PipelineOptions {
  /** Takes the place of the empty prompt under guidance, where a prompt has none of its own. */
  readonly negativePrompt?: string | undefined;
  /** A number for each channel that the network takes beside the latents. */
  readonly extraChannels?: readonly number[] | undefined;
  /** Of the pictures; default: the model's own. */
  readonly size?: PictureSize;
  /** Changed weights, where an adapter has other layers than LoRA of the denoiser. */
  readonly changes?: ComponentChanges;
  /** What is trained in the text encoders, where it has a `textEncoder`. */
  readonly lora?: LoraSettings | null;
  /** Textual inversions, whose tokens prompts may have. */
  readonly embeddings?: readonly EmbeddingPlace[];
}

/**
 * Opens a pipeline folder.
 *
 * Errors: TRIB_MODEL or TRIB_FILE, naming the file that is missing or not what is needed; TRIB_CONFIG for a size that the model
 * cannot draw, or numbers for other channels than it takes, TRIB_PROMPT for a negative prompt that it cannot read, and TRIB_LORA
 * for a change that does not fit; as `withEmbeddings`.
 */
export async function openPipeline(
  engine: Engine,
  path: string,
  { negativePrompt: common = '', size = {}, changes = {}, lora = null, ...options }: PipelineOptions = {},
): Promise<Pipeline> {
  const whole = await withEmbeddings(await readPipelineFolder(path), options.embeddings);
  const extraChannels = fittingChannels(whole, options.extraChannels);
  const { component } = whole.denoiser.family;
  const components = [component, ...whole.textEncoders.map((one) => one.component)];
  requireComponents(changes, components, path);
  const encoder = await openPromptEncoder(engine, whole, { changes, lora });
  // A word that the model does not know is said before anything is drawn.
  if (common !== '') encoder.tokenizer.encode(common);
  const { embedsShape, tokenizer, adapters: textAdapters } = encoder;
  let embeddings = new Map<string, Float32Array>();

  async function embedPrompt(prompt: string): Promise<Float32Array> {
    // A row that a newer policy overtakes does not end up among those of the newer one.
    const kept = embeddings;
    const known = kept.get(prompt);
    kept.delete(prompt);
    const embeds = known ?? (await encoder.embed(prompt));
    kept.set(prompt, embeds);
    const [oldest] = kept.keys();
    if (kept.size > EMBEDDINGS_KEPT && oldest !== undefined) kept.delete(oldest);
    return embeds;
  }
  const texts = {
    denoiserChanges: changes[component] ?? [],
    ...{ tokenizer, embedsShape, embedPrompt, textAdapters },
    async usePolicy(parameters: NamedArrays) {
      if (textAdapters.length === 0) return;
      embeddings = new Map();
      await encoder.usePolicy(parameters);
    },
    negativePrompt: common,
  };

  async function open(folder: PipelineFolder): Promise<Pipeline> {
    const { family, config } = folder.denoiser;
    const latentShape = [config.channels, ...config.sampleSize] as const;
    const schedule = createNoiseSchedule(whole.scheduler, imageTokens(config));
    const decoder = folder.vaeDecoder && (await openImageDecoder(engine, folder.vaeDecoder, latentShape));
    const conditioning = createConditioning(
      family.conditioning(config, embedsShape),
      embedsShape,
      ownSize(folder),
    );
    const opened: Pipeline = {
      ...{ ...texts, folder, schedule, extraChannels, latentShape, conditioning },
      usesGuidance: (guidanceScale) => config.guidanceWidth === null && usesGuidance(guidanceScale),
      async imageShape() {
        if (!decoder) return latentShape;
        const { shape } = await decoder.decode(new Float32Array(elementCount(latentShape)), 1);
        return [at(shape, 1), at(shape, 2), at(shape, 3)];
      },
      async decode(latents, batchSize) {
        requireFinite(latents, 'latents', folder.denoiser.modelPath);
        const images = decoder ? (await decoder.decode(latents, batchSize)).data : latents;
        if (folder.vaeDecoder) requireFinite(images, 'pictures', folder.vaeDecoder.modelPath);
        return images.map((value) => Math.min(1, Math.max(-1, value)));
      },
      resized: async (other, place) => {
        const sized = sizedFolder(whole, other, place);
        const isSame = sized.denoiser.config.sampleSize.join() === config.sampleSize.join();
        return isSame ? opened : open(sized);
      },
      async release() {
        await encoder.release();
        await decoder?.release();
      },
    };
    return opened;
  }
  return open(sizedFolder(whole, size, 'stages.sampler'));
}

/** Tokens that a picture has in the network, if it has any. */
function imageTokens({ sampleSize: [height, width], patchSize }: DenoiserConfig): number | undefined {
  return patchSize === undefined ? undefined : Math.floor(height / patchSize) * Math.floor(width / patchSize);
}
