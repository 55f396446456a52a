/** @file `unet/config.json` as diffusers writes it for a UNet2DConditionModel, and the family of networks that is built. */

import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import { type JsonFile, readJsonFile } from '../files/json-file.js';
import { EXPORT } from './component-weights.js';
import { absent, count, decimal, flag, integer, named, objectOf, only, whole } from './config-fields.js';
import { levelFields, levelsOf, middleOf, type UnetLevel, type UnetMiddle } from './unet-levels.js';

/** What SDXL takes beside the prompt's tokens. */
interface AddedEmbeddings {
  /** Width of the pooled prompt embedding. */
  readonly pooledWidth: number;
  /** Width of the embedding of each time id. */
  readonly timeEmbedDim: number;
}

/** What goes in and comes out. */
export interface UnetLatents {
  readonly sampleSize: readonly [height: number, width: number];
  readonly channels: number;
  /** Channels that go in beside the latents. */
  readonly extraChannels: number;
  /** Width of a token's embedding. */
  readonly crossAttentionDim: number;
  /** Null where the network has no added embeddings. */
  readonly added: AddedEmbeddings | null;
  /** Width of the embedding of a guidance scale that is added to the timestep's (LCM); null where there is none. */
  readonly guidanceWidth: number | null;
}

export interface Unet2dConditionConfig extends UnetLatents {
  /** Finest first; each is half as fine as the one before. */
  readonly levels: readonly UnetLevel[];
  /** Null where nothing lies between the way down and the way up. */
  readonly middle: UnetMiddle | null;
  /** Whether the time embedding scales and shifts what a residual block has normalized, or is added before. */
  readonly timeScalesAndShifts: boolean;
  readonly normNumGroups: number;
  readonly normEps: number;
  readonly useLinearProjection: boolean;
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
}

/** Original size, crop, target size: height and width each. */
export const NUM_TIME_IDS = 6;
const SUPPORTED = 'Use a model of the kind SD 1.x, SD 2.x or SDXL, or one exported to ONNX.';
const NOT_BUILT = 'other variants are not built';
/** Published models have 256. */
const MOST_GUIDANCE_WIDTH = 10_000;

/** Keys that describe what goes in and comes out. */
const latentFields = {
  sample_size: z.union([count(), z.tuple([count(), count()])], {
    error: 'expected a size, or [height, width]',
  }),
  in_channels: count(),
  out_channels: count(),
  cross_attention_dim: z
    .union([count(), z.array(count()).min(1)], { error: 'expected a width, or one a block' })
    .transform((width) => [width].flat())
    .refine((widths) => new Set(widths).size === 1, {
      error: 'expected one width (blocks that see other prompts are not built)',
    })
    .transform(([width = 1]) => width),
  addition_embed_type: named(['text_time']).nullable().default(null),
  addition_time_embed_dim: count().nullable().default(null),
  projection_class_embeddings_input_dim: count().nullable().default(null),
  // Its frequencies are spaced by 1 / (half the width - 1).
  time_cond_proj_dim: integer(4, MOST_GUIDANCE_WIDTH).nullable().default(null),
};
const latentSchema = objectOf(latentFields);

const schema = objectOf({
  _class_name: named(['UNet2DConditionModel']),
  ...latentFields,
  ...levelFields,
  use_linear_projection: flag().default(false),
  norm_eps: decimal().default(1e-5),
  flip_sin_to_cos: flag().default(true),
  freq_shift: whole().default(0),
  act_fn: named(['silu', 'swish']).default('silu'),
  attention_type: only('default', NOT_BUILT),
  center_input_sample: only(false, NOT_BUILT),
  conv_in_kernel: only(3, NOT_BUILT),
  conv_out_kernel: only(3, NOT_BUILT),
  downsample_padding: only(1, NOT_BUILT),
  dual_cross_attention: only(false, NOT_BUILT),
  mid_block_scale_factor: only(1, NOT_BUILT),
  resnet_out_scale_factor: only(1, NOT_BUILT),
  resnet_skip_time_act: only(false, NOT_BUILT),
  resnet_time_scale_shift: named(['default', 'scale_shift']).default('default'),
  time_embedding_type: only('positional', NOT_BUILT),
  ...absent([
    'class_embed_type',
    'cross_attention_norm',
    'encoder_hid_dim',
    'encoder_hid_dim_type',
    'mid_block_only_cross_attention',
    'num_class_embeds',
    'time_embedding_act_fn',
    'time_embedding_dim',
    'timestep_post_act',
  ]),
  only_cross_attention: z
    .union([z.literal(false), z.array(z.literal(false))], { error: `expected false (${NOT_BUILT})` })
    .default(false),
});

/** Reads what any UNet's config says about its latents and prompts. Errors: TRIB_MODEL, naming the file and the key. */
export async function readUnetLatents(path: JsonFile): Promise<UnetLatents> {
  const json = await readJsonFile(path, latentSchema, { code: 'TRIB_MODEL', nextStep: EXPORT });
  return latentsOf(json, path, EXPORT);
}

/**
 * Reads the config of a UNet2DConditionModel. Keys that are not listed have no effect on the network.
 *
 * `attention_head_dim` is the number of heads where `num_attention_heads` is null: an old mistake in diffusers that
 * published configs rely on.
 *
 * Errors: TRIB_MODEL, naming the file, the key and what is supported.
 */
export async function readUnet2dConditionConfig(path: JsonFile): Promise<Unet2dConditionConfig> {
  const json = await readJsonFile(path, schema, { code: 'TRIB_MODEL', nextStep: SUPPORTED });
  const levels = levelsOf(json, (text) => fault(path, text));
  const latents = latentsOf(json, path, SUPPORTED);
  const coarsest = 2 ** (levels.length - 1);
  if (latents.sampleSize.some((size) => size % coarsest !== 0)) {
    const got = `[${latents.sampleSize.join(', ')}]`;
    throw fault(path, `sample_size: expected multiples of ${coarsest}, got ${got}`);
  }
  return {
    ...latents,
    levels,
    middle: middleOf(json),
    timeScalesAndShifts: json.resnet_time_scale_shift === 'scale_shift',
    normNumGroups: json.norm_num_groups,
    normEps: json.norm_eps,
    useLinearProjection: json.use_linear_projection,
    flipSinToCos: json.flip_sin_to_cos,
    freqShift: json.freq_shift,
  };
}

function latentsOf(json: z.infer<typeof latentSchema>, path: JsonFile, nextStep: string): UnetLatents {
  const { sample_size: size, in_channels: inChannels, out_channels: channels } = json;
  if (inChannels < channels) {
    const text = `in_channels: expected at least ${channels} as in out_channels (a learned variance is not offered), got ${inChannels}`;
    throw fault(path, text, nextStep);
  }
  return {
    sampleSize: typeof size === 'number' ? [size, size] : size,
    channels,
    extraChannels: inChannels - channels,
    crossAttentionDim: json.cross_attention_dim,
    added: addedEmbeddings(json, path),
    guidanceWidth: json.time_cond_proj_dim,
  };
}

/** Null where the config describes none. The refiner of SDXL, with 5 time ids, is refused. */
function addedEmbeddings(json: z.infer<typeof latentSchema>, path: JsonFile): AddedEmbeddings | null {
  if (json.addition_embed_type === null) return null;
  const timeEmbedDim = json.addition_time_embed_dim ?? 0;
  const width = json.projection_class_embeddings_input_dim ?? 0;
  const pooledWidth = width - NUM_TIME_IDS * timeEmbedDim;
  if (timeEmbedDim > 0 && pooledWidth > 0) return { pooledWidth, timeEmbedDim };
  const least = `${NUM_TIME_IDS} · addition_time_embed_dim = ${NUM_TIME_IDS * timeEmbedDim}`;
  throw fault(path, `projection_class_embeddings_input_dim: expected more than ${least}, got ${width}`);
}

const fault = (path: JsonFile, text: string, nextStep = SUPPORTED) =>
  new TributaryError('TRIB_MODEL', `${path} ${text}. ${nextStep}`);

/** The content of the `config.json` beside a UNet's ONNX graph: the inverse of `readUnetLatents`. */
export const unetLatentsJson = ({
  sampleSize,
  channels,
  crossAttentionDim,
}: Omit<UnetLatents, 'added' | 'guidanceWidth' | 'extraChannels'>) => ({
  sample_size: sampleSize,
  in_channels: channels,
  out_channels: channels,
  cross_attention_dim: crossAttentionDim,
});
