/** @file The reward model of the shapes world: a dual encoder like CLIP, whose cosine is the reward. */

import type { Expression } from '../../graph/ops/expression.js';
import { conv2d, groupNorm, type LayerContext, linear } from '../../networks/layers.js';
import type { Tokenizer } from '../../pipeline/tokenizers/tokenizer-contract.js';
import { elementCount } from '../../tensor.js';
import { textEncoderConfig } from './network-sizes.js';
import { textEncoder } from './text-encoder.js';

const EMBEDDING_SIZE = 128;
const CHANNELS = [24, 48, 64] as const;
const NUM_GROUPS = 8;

/** Pictures [B, 3, 16, 16] -> image_embeds [B, 128] of length 1. Positions stay until the end, as relations need them. */
export function imageEncoder(layer: LayerContext, pixelValues: Expression): Expression {
  return layer.g.scoped('vision_model', () => {
    const normed = (scope: string, x: Expression) =>
      groupNorm(layer, scope, x, { numGroups: NUM_GROUPS }).silu();
    let h = conv2d(layer, 'conv_in', pixelValues, { channels: CHANNELS[0] });
    for (const [level, channels] of CHANNELS.entries()) {
      const scope = `blocks.${level}`;
      if (level > 0) h = conv2d(layer, `${scope}/downsample`, h, { channels, stride: 2 });
      const inner = conv2d(layer, `${scope}/conv1`, normed(`${scope}/norm1`, h), { channels });
      h = h.add(conv2d(layer, `${scope}/conv2`, normed(`${scope}/norm2`, inner), { channels, gain: 0.3 }));
    }
    const flat = normed('norm_out', h).reshape([-1, elementCount(h.shape.slice(1))]);
    return embed(layer, 'visual_projection', flat);
  });
}

/** Prompt [B, tokens] -> text_embeds [B, 128] of length 1: the mean over tokens, projected. */
export function promptEncoder(layer: LayerContext, tokenizer: Tokenizer, inputIds: Expression): Expression {
  const hidden = textEncoder(layer, 'text_model', textEncoderConfig(tokenizer), inputIds);
  const pooled = hidden.reduceMean([1], false);
  return layer.g.scoped('text_head', () => embed(layer, 'text_projection', pooled));
}

/** A hidden layer and a projection y, as y / |y|. */
function embed(layer: LayerContext, projection: string, x: Expression): Expression {
  const hidden = linear(layer, 'hidden', x, { features: 2 * EMBEDDING_SIZE }).silu();
  const y = linear(layer, projection, hidden, { features: EMBEDDING_SIZE });
  return y.div(y.mul(y).reduceSum([-1]).add(1e-8).sqrt());
}
