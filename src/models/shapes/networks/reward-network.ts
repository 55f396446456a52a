/** @file The reward model of the shapes world: a dual encoder like CLIP, whose cosine is the reward. */

import type { Expression } from '../../graph/ops/expression.js';
import type { LayerContext } from '../../networks/layers.js';
import { conv2d, groupNorm, linear } from '../../networks/layers.js';
import type { Tokenizer } from '../../pipeline/tokenizers/tokenizer.js';
import { textEncoderConfig } from './network-sizes.js';
import { textEncoder } from './text-encoder.js';

const EMBEDDING_SIZE = 128;
const CHANNELS = [24, 48, 64] as const;
const NUM_GROUPS = 8;

/** Pictures [B, 3, 16, 16] -> image_embeds [B, 128] of length 1. Positions are kept to the end, as relations need them. */
export function imageEncoder(layer: LayerContext, pixelValues: Expression): Expression {
  const { g } = layer;
  return g.scoped('vision_model', () => {
    let h = conv2d(layer, 'conv_in', pixelValues, CHANNELS[0]);
    CHANNELS.forEach((channels, level) => {
      if (level > 0) h = conv2d(layer, `blocks.${level}/downsample`, h, channels, { stride: 2 });
      const inner = conv2d(
        layer,
        `blocks.${level}/conv1`,
        groupNorm(layer, `blocks.${level}/norm1`, h, NUM_GROUPS).silu(),
        channels,
      );
      h = h.add(
        conv2d(
          layer,
          `blocks.${level}/conv2`,
          groupNorm(layer, `blocks.${level}/norm2`, inner, NUM_GROUPS).silu(),
          channels,
          { gain: 0.3 },
        ),
      );
    });
    const [, channels = 1, height = 1, width = 1] = h.shape;
    const features = groupNorm(layer, 'norm_out', h, NUM_GROUPS).silu();
    const flat = features.reshape([-1, channels * height * width]);
    const hidden = linear(layer, 'hidden', flat, 2 * EMBEDDING_SIZE).silu();
    return unitLength(linear(layer, 'visual_projection', hidden, EMBEDDING_SIZE));
  });
}

/** Prompt [B, tokens] -> text_embeds [B, 128] of length 1: the mean over tokens, projected. */
export function promptEncoder(layer: LayerContext, tokenizer: Tokenizer, inputIds: Expression): Expression {
  const { g } = layer;
  const hidden = textEncoder(layer, 'text_model', textEncoderConfig(tokenizer), inputIds);
  const pooled = hidden.reduceMean([1], false);
  return g.scoped('text_head', () =>
    unitLength(
      linear(
        layer,
        'text_projection',
        linear(layer, 'hidden', pooled, 2 * EMBEDDING_SIZE).silu(),
        EMBEDDING_SIZE,
      ),
    ),
  );
}

/** x / |x| over the last axis. */
function unitLength(x: Expression): Expression {
  const squares = x.mul(x).reduceSum([-1]);
  return x.div(squares.add(1e-8).sqrt());
}
