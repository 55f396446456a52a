/** @file `unet/config.json` as diffusers writes it for a UNet2DConditionModel, and the family of networks that is built. */

import { z } from 'zod';
import { TributaryError } from '../../errors.js';
import { readJsonFile } from '../files/json-file.js';
import { absent, count, decimal, flag, named, only, parts, perResolution, whole } from './config-fields.js';

/** One resolution of the network. */
export interface UnetLevel {
  readonly channels: number;
  /** Residual blocks on the way down; there is one more on the way up. */
  readonly layers: number;
  readonly numHeads: number;
  readonly transformerLayers: number;
  readonly attendsDown: boolean;
  readonly attendsUp: boolean;
}

/** What SDXL is told beside the prompt's tokens. */
export interface AddedEmbeddings {
  /** Width of the pooled prompt embedding. */
  readonly textEmbedsWidth: number;
  /** 6: original size, crop, target size. */
  readonly numTimeIds: number;
  readonly timeEmbedDim: number;
}

export interface Unet2dConditionConfig {
  readonly sampleSize: readonly [height: number, width: number];
  readonly inChannels: number;
  readonly outChannels: number;
  readonly crossAttentionDim: number;
  /** Finest first; each is half as fine as the one before. */
  readonly levels: readonly UnetLevel[];
  readonly normNumGroups: number;
  readonly normEps: number;
  readonly useLinearProjection: boolean;
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
  /** Null where the network has no added embeddings. */
  readonly added: AddedEmbeddings | null;
}

const NUM_TIME_IDS = 6;
const SUPPORTED = 'Use a model of the kind SD 1.x, SD 2.x or SDXL, or one exported to ONNX.';
const NOT_BUILT = 'other variants are not built';

const perLevel = (entry = parts()) =>
  z.union([entry, z.array(entry)], { error: 'expected a number, or one a block' });
const blocks = (types: readonly [string, string]) =>
  perResolution(z.enum(types, { error: `expected ${types.join(' or ')}` }), 'expected a list of block types');

/** Keys of config.json that describe added embeddings. */
export const addedFields = {
  addition_embed_type: named(['text_time']).nullable().default(null),
  addition_time_embed_dim: count().nullable().default(null),
  projection_class_embeddings_input_dim: count().nullable().default(null),
};

const schema = z.object(
  {
    _class_name: named(['UNet2DConditionModel']),
    sample_size: z.union([count(), z.tuple([count(), count()])], {
      error: 'expected a size, or [height, width]',
    }),
    in_channels: count(),
    out_channels: count(),
    down_block_types: blocks(['DownBlock2D', 'CrossAttnDownBlock2D']),
    up_block_types: blocks(['UpBlock2D', 'CrossAttnUpBlock2D']),
    mid_block_type: named(['UNetMidBlock2DCrossAttn']).default('UNetMidBlock2DCrossAttn'),
    block_out_channels: perResolution(count(), 'expected a list of channels'),
    layers_per_block: perLevel().default(2),
    transformer_layers_per_block: perLevel().default(1),
    attention_head_dim: perLevel().default(8),
    num_attention_heads: perLevel().nullable().default(null),
    cross_attention_dim: count(),
    use_linear_projection: flag().default(false),
    norm_num_groups: count().default(32),
    norm_eps: decimal().default(1e-5),
    flip_sin_to_cos: flag().default(true),
    freq_shift: whole().default(0),
    act_fn: named(['silu', 'swish']).default('silu'),
    ...addedFields,
    attention_type: only('default', NOT_BUILT),
    center_input_sample: only(false, NOT_BUILT),
    conv_in_kernel: only(3, NOT_BUILT),
    conv_out_kernel: only(3, NOT_BUILT),
    downsample_padding: only(1, NOT_BUILT),
    dual_cross_attention: only(false, NOT_BUILT),
    mid_block_scale_factor: only(1, NOT_BUILT),
    resnet_out_scale_factor: only(1, NOT_BUILT),
    resnet_skip_time_act: only(false, NOT_BUILT),
    resnet_time_scale_shift: only('default', NOT_BUILT),
    time_embedding_type: only('positional', NOT_BUILT),
    ...absent([
      'class_embed_type',
      'cross_attention_norm',
      'encoder_hid_dim',
      'encoder_hid_dim_type',
      'mid_block_only_cross_attention',
      'num_class_embeds',
      'reverse_transformer_layers_per_block',
      'time_cond_proj_dim',
      'time_embedding_act_fn',
      'time_embedding_dim',
      'timestep_post_act',
    ]),
    only_cross_attention: z
      .union([z.literal(false), z.array(z.literal(false))], { error: `expected false (${NOT_BUILT})` })
      .default(false),
  },
  { error: 'expected an object' },
);

/**
 * Reads the config of a UNet2DConditionModel. Keys that are not listed have no effect on the network.
 *
 * `attention_head_dim` is the number of heads where `num_attention_heads` is null: the name is an old mistake of
 * diffusers, which published configs rest on.
 *
 * Errors: TRIB_MODEL, naming the file, the key and what is supported.
 */
export async function readUnet2dConditionConfig(path: string): Promise<Unet2dConditionConfig> {
  const json = await readJsonFile(path, schema, { code: 'TRIB_MODEL', nextStep: SUPPORTED });
  const refuse = (text: string): never => {
    throw new TributaryError('TRIB_MODEL', `${path} ${text}. ${SUPPORTED}`);
  };
  const numLevels = json.block_out_channels.length;
  const heads = json.num_attention_heads ?? json.attention_head_dim;
  const spread = (key: string, value: number | readonly number[]) => {
    const values = typeof value === 'number' ? Array.from({ length: numLevels }, () => value) : value;
    if (values.length === numLevels) return values;
    return refuse(`${key}: expected ${numLevels} entries as in block_out_channels, got ${values.length}`);
  };
  for (const key of ['down_block_types', 'up_block_types'] as const) {
    if (json[key].length !== numLevels)
      refuse(`${key}: expected ${numLevels} entries as in block_out_channels, got ${json[key].length}`);
  }
  const layers = spread('layers_per_block', json.layers_per_block);
  const numHeads = spread('attention_head_dim', heads);
  const transformerLayers = spread('transformer_layers_per_block', json.transformer_layers_per_block);
  const levels = json.block_out_channels.map((channels, index): UnetLevel => {
    const level = {
      channels,
      layers: layers[index] ?? 1,
      numHeads: numHeads[index] ?? 1,
      transformerLayers: transformerLayers[index] ?? 1,
      attendsDown: json.down_block_types[index] === 'CrossAttnDownBlock2D',
      attendsUp: json.up_block_types[numLevels - 1 - index] === 'CrossAttnUpBlock2D',
    };
    for (const [key, divisor] of [
      ['norm_num_groups', json.norm_num_groups],
      ['attention_head_dim', level.numHeads],
    ] as const) {
      if (channels % divisor !== 0)
        refuse(`${key}: expected a divisor of ${channels} channels, got ${divisor}`);
    }
    return level;
  });
  const sampleSize: readonly [number, number] =
    typeof json.sample_size === 'number' ? [json.sample_size, json.sample_size] : json.sample_size;
  const coarsest = 2 ** (numLevels - 1);
  if (sampleSize.some((size) => size % coarsest !== 0))
    refuse(`sample_size: expected multiples of ${coarsest}, got [${sampleSize.join(', ')}]`);
  if (json.in_channels !== json.out_channels)
    refuse(
      `in_channels: expected ${json.out_channels} as in out_channels (inpainting is not offered), got ${json.in_channels}`,
    );
  return {
    sampleSize,
    inChannels: json.in_channels,
    outChannels: json.out_channels,
    crossAttentionDim: json.cross_attention_dim,
    levels,
    normNumGroups: json.norm_num_groups,
    normEps: json.norm_eps,
    useLinearProjection: json.use_linear_projection,
    flipSinToCos: json.flip_sin_to_cos,
    freqShift: json.freq_shift,
    added: addedEmbeddings(json, path),
  };
}

/**
 * What config.json says of added embeddings; null where it says nothing.
 *
 * Errors: TRIB_MODEL where the widths do not fit 6 time ids (the refiner's 5, say).
 */
export function addedEmbeddings(
  json: {
    readonly addition_embed_type: 'text_time' | null;
    readonly addition_time_embed_dim: number | null;
    readonly projection_class_embeddings_input_dim: number | null;
  },
  path: string,
): AddedEmbeddings | null {
  if (json.addition_embed_type === null) return null;
  const timeEmbedDim = json.addition_time_embed_dim ?? 0;
  const width = json.projection_class_embeddings_input_dim ?? 0;
  const textEmbedsWidth = width - NUM_TIME_IDS * timeEmbedDim;
  if (timeEmbedDim > 0 && textEmbedsWidth > 0)
    return { textEmbedsWidth, numTimeIds: NUM_TIME_IDS, timeEmbedDim };
  throw new TributaryError(
    'TRIB_MODEL',
    `${path} projection_class_embeddings_input_dim: expected more than ${NUM_TIME_IDS} · addition_time_embed_dim = ${NUM_TIME_IDS * timeEmbedDim}, got ${width}. ${SUPPORTED}`,
  );
}
