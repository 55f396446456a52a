/** @file The resolutions of a UNet2DConditionModel, as the keys of its `config.json` that have one entry a block describe them. */

import * as z from 'zod';
import { at } from '../../at.js';
import { count, integer, MOST_PARTS, named, objectOf, parts, perResolution } from './config-fields.js';

/** One resolution of the network. */
export interface UnetLevel {
  readonly channels: number;
  /** Residual blocks on the way down; there is one more on the way up. */
  readonly layers: number;
  readonly numHeads: number;
  /** Transformer blocks after each residual block, on the way down and up; null where nothing attends. */
  readonly transformersDown: readonly number[] | null;
  readonly transformersUp: readonly number[] | null;
}

/** What lies between the way down and the way up. */
export interface UnetMiddle {
  /** Transformer blocks between two residual blocks; null for one residual block alone. */
  readonly transformers: number | null;
}

const perLevel = z.union([parts(), z.array(parts())], { error: 'expected a number, or one a block' });
const depth = integer(0, MOST_PARTS);
const depths = z.array(z.union([depth, z.array(depth)], { error: 'expected a number, or a list of them' }), {
  error: 'expected a number, or one a block',
});
const blocks = (types: readonly [string, string]) =>
  perResolution(named(types), 'expected a list of block types');

/** Keys that describe the resolutions. */
export const levelFields = {
  down_block_types: blocks(['DownBlock2D', 'CrossAttnDownBlock2D']),
  up_block_types: blocks(['UpBlock2D', 'CrossAttnUpBlock2D']),
  mid_block_type: named(['UNetMidBlock2DCrossAttn', 'UNetMidBlock2D'])
    .nullable()
    .default('UNetMidBlock2DCrossAttn'),
  block_out_channels: perResolution(count(), 'expected a list of channels'),
  layers_per_block: perLevel.default(2),
  transformer_layers_per_block: z.union([depth, depths]).default(1),
  reverse_transformer_layers_per_block: depths.nullable().default(null),
  attention_head_dim: perLevel.default(8),
  num_attention_heads: perLevel.nullable().default(null),
  norm_num_groups: count().default(32),
};
const levelSchema = objectOf(levelFields);
type LevelFields = z.infer<typeof levelSchema>;
type Depth = number | readonly number[];

/**
 * Returns the resolutions, finest first.
 *
 * `transformer_layers_per_block` has a number for all, one a block, or a list for the residual blocks of a block (SSD-1B);
 * then `reverse_transformer_layers_per_block` has those of the way up, coarsest first.
 * @param fault makes the error of a sentence "<key>: expected ..., got ...".
 */
export function levelsOf(json: LevelFields, fault: (text: string) => Error): UnetLevel[] {
  const numLevels = json.block_out_channels.length;
  const requireLength = (key: string, length: number, whole = numLevels, where = 'in block_out_channels') => {
    if (length === whole) return;
    throw fault(`${key}: expected ${whole} entries as ${where}, got ${length}`);
  };
  const spread = <Entry>(key: keyof LevelFields, value: Entry | readonly Entry[]): readonly Entry[] => {
    if (!Array.isArray(value)) return Array.from({ length: numLevels }, () => value as Entry);
    requireLength(key, value.length);
    return value;
  };
  for (const key of ['down_block_types', 'up_block_types'] as const) requireLength(key, json[key].length);
  const layers = spread('layers_per_block', json.layers_per_block);
  const numHeads = spread('attention_head_dim', json.num_attention_heads ?? json.attention_head_dim);
  const down = spread<Depth>('transformer_layers_per_block', json.transformer_layers_per_block);
  const up = upwards(json, down, fault);
  requireLength('reverse_transformer_layers_per_block', up.length);
  const perLayer = (key: keyof LevelFields, depth: Depth, length: number): readonly number[] => {
    if (typeof depth === 'number') return Array.from({ length }, () => depth);
    requireLength(key, depth.length, length, 'the block has residual blocks');
    return depth;
  };
  return json.block_out_channels.map((channels, index): UnetLevel => {
    const blockLayers = at(layers, index);
    const attendsDown = json.down_block_types[index] === 'CrossAttnDownBlock2D';
    const attendsUp = json.up_block_types[numLevels - 1 - index] === 'CrossAttnUpBlock2D';
    const level = {
      channels,
      layers: blockLayers,
      numHeads: at(numHeads, index),
      transformersDown: attendsDown
        ? perLayer('transformer_layers_per_block', at(down, index), blockLayers)
        : null,
      transformersUp: attendsUp
        ? perLayer('reverse_transformer_layers_per_block', at(up, numLevels - 1 - index), blockLayers + 1)
        : null,
    };
    for (const [key, divisor] of [
      ['norm_num_groups', json.norm_num_groups],
      ['attention_head_dim', level.numHeads],
    ] as const) {
      if (channels % divisor !== 0)
        throw fault(`${key}: expected a divisor of ${channels} channels, got ${divisor}`);
    }
    return level;
  });
}

/** Transformer blocks of the way up, coarsest first. */
function upwards(
  { reverse_transformer_layers_per_block: reverse }: LevelFields,
  down: readonly Depth[],
  fault: (text: string) => Error,
): readonly Depth[] {
  if (reverse) return reverse;
  if (down.every((depth) => typeof depth === 'number')) return down.toReversed();
  throw fault(
    'reverse_transformer_layers_per_block: expected the way up of lists in transformer_layers_per_block, got null',
  );
}

/** Null where there is nothing (BK-SDM, tiny-sd). */
export function middleOf({
  mid_block_type: type,
  transformer_layers_per_block: depths,
}: LevelFields): UnetMiddle | null {
  if (type === null) return null;
  if (type === 'UNetMidBlock2D') return { transformers: null };
  const deepest = typeof depths === 'number' ? depths : at(depths, -1);
  return { transformers: typeof deepest === 'number' ? deepest : at(deepest, 0) };
}
