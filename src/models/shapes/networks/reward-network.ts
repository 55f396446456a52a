/** @file The reward model of the shapes world: a dual encoder like CLIP, whose cosine is the reward. */

import type { Value } from '../../graph/graph.js';
import type { GraphBuilder } from '../../graph/ops/builder.js';
import * as op from '../../graph/ops/index.js';
import type { LayerContext } from '../../networks/layers.js';
import { conv2d, groupNorm, linear } from '../../networks/layers.js';
import type { Tokenizer } from '../../pipeline/tokenizers/tokenizer.js';
import { textEncoderConfig } from './network-sizes.js';
import { textEncoder } from './text-encoder.js';

const EMBEDDING_SIZE = 128;
const CHANNELS = [24, 48, 64] as const;
const NUM_GROUPS = 8;

/** Pictures [B, 3, 16, 16] -> image_embeds [B, 128] of length 1. Positions are kept to the end, as relations need them. */
export function imageEncoder(layer: LayerContext, pixelValues: Value): Value {
  const { g } = layer;
  return g.scoped('vision_model', () => {
    let h = conv2d(layer, 'conv_in', pixelValues, CHANNELS[0]);
    CHANNELS.forEach((channels, level) => {
      if (level > 0) h = conv2d(layer, `blocks.${level}/downsample`, h, channels, { stride: 2 });
      const inner = conv2d(
        layer,
        `blocks.${level}/conv1`,
        op.silu(g, groupNorm(layer, `blocks.${level}/norm1`, h, NUM_GROUPS)),
        channels,
      );
      h = op.add(
        g,
        h,
        conv2d(
          layer,
          `blocks.${level}/conv2`,
          op.silu(g, groupNorm(layer, `blocks.${level}/norm2`, inner, NUM_GROUPS)),
          channels,
          { gain: 0.3 },
        ),
      );
    });
    const [, channels = 1, height = 1, width = 1] = h.shape;
    const features = op.silu(g, groupNorm(layer, 'norm_out', h, NUM_GROUPS));
    const flat = op.reshape(g, features, [-1, channels * height * width]);
    const hidden = op.silu(g, linear(layer, 'hidden', flat, 2 * EMBEDDING_SIZE));
    return unitLength(g, linear(layer, 'visual_projection', hidden, EMBEDDING_SIZE));
  });
}

/** Prompt [B, tokens] -> text_embeds [B, 128] of length 1: the mean over tokens, projected. */
export function promptEncoder(layer: LayerContext, tokenizer: Tokenizer, inputIds: Value): Value {
  const { g } = layer;
  const hidden = textEncoder(layer, 'text_model', textEncoderConfig(tokenizer), inputIds);
  const pooled = op.reduceMean(g, hidden, [1], false);
  return g.scoped('text_head', () =>
    unitLength(
      g,
      linear(
        layer,
        'text_projection',
        op.silu(g, linear(layer, 'hidden', pooled, 2 * EMBEDDING_SIZE)),
        EMBEDDING_SIZE,
      ),
    ),
  );
}

/** x / |x| over the last axis. */
function unitLength(g: GraphBuilder, x: Value): Value {
  const squares = op.reduceSum(g, op.mul(g, x, x), [-1]);
  return op.div(g, x, op.sqrt(g, op.add(g, squares, g.scalar(1e-8))));
}
