/** @file `transformer/config.json` as diffusers writes it for an SD3Transformer2DModel. */

import * as z from 'zod';
import { TributaryError } from '../../errors.js';
import { type JsonFile, readJsonFile } from '../files/json-file.js';
import { count, MOST_PARTS, named, parts } from './config-fields.js';

export interface Sd3Config {
  /** Height and width of the latents. */
  readonly sampleSize: readonly [height: number, width: number];
  /** Side of the squares of latents that become a token each. */
  readonly patchSize: number;
  readonly channels: number;
  readonly numLayers: number;
  readonly headSize: number;
  readonly numHeads: number;
  /** Width of a prompt's token. */
  readonly jointAttentionDim: number;
  /** Width of the pooled embedding of the prompt. */
  readonly pooledWidth: number;
  /** Tokens on a side of the largest picture, for which there is a table of positions. */
  readonly mostTokensOnSide: number;
  /** Blocks whose picture tokens attend to each other once more, by themselves. */
  readonly dualLayers: ReadonlySet<number>;
  /** Whether queries and keys are normalized, head by head. */
  readonly normalizesHeads: boolean;
}

const SUPPORTED = 'Use the transformer of SD 3 or SD 3.5 as diffusers saves it.';
const MOST_TOKENS_ON_SIDE = 4096;

/** What the class has by default, where a file lacks a key. */
const fields = {
  _class_name: named(['SD3Transformer2DModel']),
  sample_size: count().default(128),
  patch_size: count(64).default(2),
  in_channels: count().default(16),
  out_channels: count().nullable().default(16),
  num_layers: parts().default(18),
  attention_head_dim: count(10_000).default(64),
  num_attention_heads: parts().default(18),
  joint_attention_dim: count().default(4096),
  caption_projection_dim: count().default(1152),
  pooled_projection_dim: count().default(2048),
  pos_embed_max_size: count(MOST_TOKENS_ON_SIDE).default(96),
  dual_attention_layers: z
    .array(z.int().min(0).max(MOST_PARTS), { error: 'expected a list of block numbers' })
    .nullable()
    .default([]),
  qk_norm: named(['rms_norm']).nullable().default(null),
};

/** Other keys may change the network, so they are refused; those of diffusers' own begin with an underscore. */
const schema = z.looseObject(fields, { error: 'expected an object' }).superRefine((json, { addIssue }) => {
  for (const key of Object.keys(json)) {
    if (key in fields || key.startsWith('_')) continue;
    addIssue({ code: 'custom', path: [key], message: 'expected no such key (other variants are not built)' });
  }
});

/**
 * Reads the config of an SD3Transformer2DModel.
 *
 * Errors: TRIB_MODEL, naming the file, the key and what is supported.
 */
export async function readSd3Config(path: JsonFile): Promise<Sd3Config> {
  const json = await readJsonFile(path, schema, { code: 'TRIB_MODEL', nextStep: SUPPORTED });
  const fault = (key: keyof typeof fields, expected: string) => {
    const text = `${path} ${key}: expected ${expected}, got ${JSON.stringify(json[key])}. ${SUPPORTED}`;
    return new TributaryError('TRIB_MODEL', text);
  };
  const { sample_size: size, patch_size: patch, pos_embed_max_size: most, in_channels: channels } = json;
  const dual = json.dual_attention_layers ?? [];
  const width = json.num_attention_heads * json.attention_head_dim;
  if (size % patch !== 0) throw fault('sample_size', `a multiple of patch_size ${patch}`);
  if (size > most * patch)
    throw fault('sample_size', `at most ${most * patch}, as pos_embed_max_size ${most} has positions`);
  if ((json.out_channels ?? channels) !== channels)
    throw fault('out_channels', `${channels} as in in_channels`);
  if (json.caption_projection_dim !== width)
    throw fault('caption_projection_dim', `num_attention_heads · attention_head_dim = ${width}`);
  if (dual.some((layer) => layer >= json.num_layers))
    throw fault('dual_attention_layers', `numbers of the ${json.num_layers} blocks`);
  return {
    sampleSize: [size, size],
    patchSize: patch,
    channels,
    numLayers: json.num_layers,
    headSize: json.attention_head_dim,
    numHeads: json.num_attention_heads,
    jointAttentionDim: json.joint_attention_dim,
    pooledWidth: json.pooled_projection_dim,
    mostTokensOnSide: most,
    dualLayers: new Set(dual),
    normalizesHeads: json.qk_norm !== null,
  };
}
