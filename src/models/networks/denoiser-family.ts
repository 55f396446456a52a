/**
 * @file The denoisers that a pipeline may have, a row each: all that the rest of the program knows of a network. A new one
 * adds its definition and config in this room, and a row here.
 *
 * Whatever a network's own conventions are, its graph keeps these: inputs `sample` [R, C, H, W] float32 (latents, never
 * patches or packed tokens), `timestep` [R] or [] (the training timestep; for flows σ · numTrainTimesteps), and those of
 * `conditioning`; output `out_sample` [R, C, H, W], which means what the scheduler's `predictionType` says.
 */

import { type DenoiserNames, SD3_NAMES, UNET_NAMES } from '../adapters/component-names.js';
import type { JsonFile } from '../files/json-file.js';
import type { TensorViews } from './component-weights.js';
import type { Network } from './network-weights.js';
import { readSd3Config, type Sd3Config } from './sd3-config.js';
import { sd3Transformer } from './sd3-transformer.js';
import { unet2dCondition } from './unet-2d-condition.js';
import { NUM_TIME_IDS, readUnet2dConditionConfig, readUnetLatents, type UnetLatents } from './unet-config.js';

/** What goes into a denoiser and comes out, as its `config.json` says. */
export interface DenoiserConfig {
  /** Height and width of the latents. */
  readonly sampleSize: readonly [height: number, width: number];
  /** What each side of the latents must be a multiple of; absent where that is not known, as of an ONNX graph. */
  readonly latentMultiple?: number;
  /** What each side of the latents is at most, where the network has positions for so many. */
  readonly latentMost?: number;
  /** Side of the squares of latents that are a token each; absent where a network does not work on tokens alone. */
  readonly patchSize?: number;
  /** Channels of the latents. */
  readonly channels: number;
  /** Channels that the network takes beside the latents, as for inpainting: each is a constant here. */
  readonly extraChannels: number;
  /** Width of a token's embedding. */
  readonly crossAttentionDim: number;
  /** Width of the pooled prompt embedding that the network takes beside the tokens; null where it takes none. */
  readonly pooledWidth: number | null;
  /** Width of the embedding of the guidance scale, of a network that was distilled to it (LCM); null where it takes none. */
  readonly guidanceWidth: number | null;
}

/** Numbers in one latent: 64 MB in single precision, 64 times that of a picture of 2048 x 2048. */
export const MOST_LATENT = 2 ** 24;

/** Sizes of the inputs of one run. */
interface DenoiserSizes {
  readonly rows: number;
  readonly sampleSize: readonly [height: number, width: number];
  /** Tokens of a prompt. */
  readonly tokens: number;
}

/** A denoiser that is built from its config. */
interface DenoiserDefinition {
  readonly config: DenoiserConfig;
  readonly network: (sizes: DenoiserSizes) => Network;
}

/** An input that says which picture is wanted, and how. */
export interface ConditioningInput {
  /** Shape of one row. */
  readonly shape: readonly number[];
  /**
   * What fills a row: the prompt's tokens, its pooled embedding, the picture's original size, crop and target size, or the
   * embedding of the guidance scale.
   */
  readonly from: 'tokens' | 'pooled' | 'picture-sizes' | 'guidance-scale';
}

export interface DenoiserFamily extends DenoiserNames {
  /** What messages call it, and which models have one. */
  readonly title: string;
  readonly models: string;
  /** The class of the network in `model_index.json`, where the component's name alone does not tell; else null. */
  readonly className: string | null;
  /**
   * How the tokens of several text encoders lie in a row of the network's width: `exactly` side by side, with the pooled
   * embedding of the last (SDXL), or `padded` with zeros, with the pooled embeddings of all (SD 3).
   */
  readonly prompts: 'exactly' | 'padded';
  /** Whether it is a flow, whose decoder may shift the latents. */
  readonly isFlow: boolean;
  /** Default of `model.lora.pattern`: which layers get an adapter. */
  readonly loraPattern: string;
  /** Finds the block of a node in its name. Gradient checkpointing keeps what goes from one block to the next. */
  readonly block: RegExp;
  readonly blockExample: string;
  /** Reads the `config.json` beside an ONNX graph. */
  readonly readConfig: (path: JsonFile) => Promise<DenoiserConfig>;
  /** Reads the `config.json` beside safetensors. */
  readonly readDefinition: (path: JsonFile) => Promise<DenoiserDefinition>;
  /** The inputs beside `sample` and `timestep`, by name. */
  readonly conditioning: (
    config: DenoiserConfig,
    embedsShape: readonly [tokens: number, width: number],
  ) => Readonly<Record<string, ConditioningInput>>;
}

/** A denoiser in a pipeline folder. */
export interface DenoiserOnDisk {
  readonly family: DenoiserFamily;
  /** An ONNX graph, a safetensors file, or the index of several. */
  readonly modelPath: string;
  /** Where the file holds other networks too: the tensors of this one. */
  readonly views: TensorViews | null;
  readonly config: DenoiserConfig;
  /** What a graph is built from if there are only weights; null for an ONNX graph. */
  readonly network: DenoiserDefinition['network'] | null;
}

export const UNET = {
  ...UNET_NAMES,
  title: 'UNet',
  models: 'SD 1.x, SD 2.x or SDXL',
  className: null,
  prompts: 'exactly',
  isFlow: false,
  loraPattern: 'attn[12]/to_(q|k|v|out\\.0)',
  block: /(?:down_blocks\.\d+|mid_block|up_blocks\.\d+)\/(?:resnets|attentions)\.\d+/,
  blockExample: 'down_blocks.0/resnets.0',
  readConfig: async (path) => denoiserConfig(await readUnetLatents(path)),
  async readDefinition(path) {
    const config = await readUnet2dConditionConfig(path);
    return {
      config: { ...denoiserConfig(config), latentMultiple: 2 ** (config.levels.length - 1) },
      network: (sizes) => (layer) => unet2dCondition(layer, config, sizes),
    };
  },
  conditioning: ({ pooledWidth, guidanceWidth }, embedsShape) => ({
    encoder_hidden_states: { shape: embedsShape, from: 'tokens' },
    ...(pooledWidth !== null && {
      text_embeds: { shape: [pooledWidth], from: 'pooled' },
      time_ids: { shape: [NUM_TIME_IDS], from: 'picture-sizes' },
    }),
    ...(guidanceWidth !== null && { timestep_cond: { shape: [guidanceWidth], from: 'guidance-scale' } }),
  }),
} as const satisfies DenoiserFamily;

export const SD3 = {
  ...SD3_NAMES,
  title: 'transformer',
  models: 'SD 3 or SD 3.5',
  className: 'SD3Transformer2DModel',
  prompts: 'padded',
  isFlow: true,
  // As flow_grpo and diffusers' train_dreambooth_lora_sd3.py: joint attention, not the second one of SD 3.5 medium.
  loraPattern: 'attn/(to_(q|k|v|out\\.0|add_out)|add_[qkv]_proj)/',
  block: /transformer_blocks\.\d+/,
  blockExample: 'transformer_blocks.0',
  readConfig: async (path) => sd3DenoiserConfig(await readSd3Config(path)),
  async readDefinition(path) {
    const config = await readSd3Config(path);
    return {
      config: sd3DenoiserConfig(config),
      network: (sizes) => (layer) => sd3Transformer(layer, config, sizes),
    };
  },
  conditioning: ({ pooledWidth }, embedsShape) => ({
    encoder_hidden_states: { shape: embedsShape, from: 'tokens' },
    pooled_projections: { shape: [pooledWidth ?? 0], from: 'pooled' },
  }),
} as const satisfies DenoiserFamily;

export const DENOISER_FAMILIES: readonly DenoiserFamily[] = [UNET, SD3];

function denoiserConfig({ added, ...latents }: UnetLatents): DenoiserConfig {
  const { sampleSize, channels, extraChannels, crossAttentionDim, guidanceWidth } = latents;
  const pooledWidth = added?.pooledWidth ?? null;
  return { sampleSize, channels, extraChannels, crossAttentionDim, pooledWidth, guidanceWidth };
}

function sd3DenoiserConfig(config: Sd3Config): DenoiserConfig {
  const { sampleSize, channels, patchSize, mostTokensOnSide, pooledWidth } = config;
  return {
    ...{ sampleSize, channels, pooledWidth, extraChannels: 0, guidanceWidth: null },
    latentMultiple: patchSize,
    patchSize,
    latentMost: patchSize * mostTokensOnSide,
    crossAttentionDim: config.jointAttentionDim,
  };
}
