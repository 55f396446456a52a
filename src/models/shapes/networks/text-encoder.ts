/** @file A small transformer over words: what CLIP's text model is to Stable Diffusion. */

import type { Expression } from '../../graph/ops/expression.js';
import { attention, feedForward, type LayerContext, layerNorm } from '../../networks/layers.js';

export interface TextEncoderConfig {
  readonly vocabSize: number;
  /** Tokens in every prompt, padding included. */
  readonly maxPositionEmbeddings: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly attentionHeadSize: number;
}

/** Appends the network: input_ids [B, tokens] int64 -> last_hidden_state [B, tokens, hiddenSize]. */
export function textEncoder(
  layer: LayerContext,
  scope: string,
  config: TextEncoderConfig,
  inputIds: Expression,
): Expression {
  const { g, weights } = layer;
  const { hiddenSize } = config;
  return g.scoped(scope, () => {
    const embedding = (name: string, rows: number) =>
      weights(`${scope}.embeddings.${name}_embedding.weight`, [rows, hiddenSize], { stdDev: 0.5 });
    const words = embedding('token', config.vocabSize);
    const places = embedding('position', config.maxPositionEmbeddings);
    let h = words.gather(inputIds).add(places);
    for (let index = 0; index < config.numHiddenLayers; index++) {
      h = g.scoped(`encoder/layers.${index}`, () => {
        const normed = layerNorm(layer, 'layer_norm1', h);
        const mixed = h.add(attention(layer, 'self_attn', normed, { headSize: config.attentionHeadSize }));
        return mixed.add(feedForward(layer, 'mlp', layerNorm(layer, 'layer_norm2', mixed), 2));
      });
    }
    return layerNorm(layer, 'final_layer_norm', h);
  });
}
