/** @file T5EncoderModel of transformers as a graph: token ids -> embeddings, as Stable Diffusion 3 and FLUX.1 take them. */

import * as z from 'zod';
import { type JsonFile, readJsonFile } from '../files/json-file.js';
import type { Expression } from '../graph/ops/expression.js';
import { int64 } from '../tensor.js';
import { count, decimal, integer, named, objectOf, parts } from './config-fields.js';
import { type LayerContext, linear } from './layers.js';
import { rmsNorm } from './rms-norm.js';
import { relativePositionBuckets } from './t5-positions.js';

export interface T5Config {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Width of a head, which the width of the model does not have to be a multiple of. */
  readonly headSize: number;
  readonly numHeads: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numBuckets: number;
  readonly maxDistance: number;
  readonly epsilon: number;
}

const SUPPORTED = 'Use the third text encoder of SD 3 or SD 3.5, which is T5 v1.1.';

/** Keys that a file lacks have the defaults of transformers, whose feed-forward layer is another one. */
const schema = objectOf({
  architectures: z
    .tuple([named(['T5EncoderModel', 'T5ForConditionalGeneration'])], { error: 'expected T5EncoderModel' })
    .optional(),
  model_type: z.literal('t5', { error: 'expected t5' }).default('t5'),
  vocab_size: count().default(32128),
  d_model: count().default(512),
  d_kv: count(10_000).default(64),
  d_ff: count().default(2048),
  num_layers: parts().default(6),
  num_heads: parts().default(8),
  // Half of the buckets are for each side, and half of those for single distances.
  relative_attention_num_buckets: integer(4, 4096).default(32),
  relative_attention_max_distance: integer(2, 1_000_000).default(128),
  layer_norm_epsilon: decimal().default(1e-6),
  feed_forward_proj: z.literal('gated-gelu', { error: 'expected gated-gelu (T5 v1.0 has another layer)' }),
}).refine(
  ({ relative_attention_num_buckets: buckets, relative_attention_max_distance: most }) =>
    most > Math.floor(buckets / 4),
  {
    path: ['relative_attention_max_distance'],
    error: 'expected more than a quarter of relative_attention_num_buckets',
  },
);

/**
 * Reads the `config.json` of a T5 encoder.
 *
 * Errors: TRIB_MODEL, naming the file, the key and what is supported.
 */
export async function readT5Config(path: JsonFile): Promise<T5Config> {
  const json = await readJsonFile(path, schema, { code: 'TRIB_MODEL', nextStep: SUPPORTED });
  return {
    vocabSize: json.vocab_size,
    hiddenSize: json.d_model,
    headSize: json.d_kv,
    numHeads: json.num_heads,
    intermediateSize: json.d_ff,
    numLayers: json.num_layers,
    numBuckets: json.relative_attention_num_buckets,
    maxDistance: json.relative_attention_max_distance,
    epsilon: json.layer_norm_epsilon,
  };
}

/** Tensors that a file may have besides: the table of tokens under its second name, and the decoder of a whole T5. */
export const T5_UNUSED = /^(encoder\.embed_tokens\.|decoder\.|lm_head\.)/;

/**
 * Appends the network for one prompt (Raffel et al. 2020, version 1.1): blocks of x + attention(norm x) and x +
 * feedForward(norm x), norms without mean and bias, scores q kᵀ without a factor plus a bias by the distance of two tokens
 * (`relativePositionBuckets`), which the first block holds for all, and (gelu_new(x W₀) · (x W₁)) W.
 *
 * Input: `input_ids` [1, tokens] int64. Output: `last_hidden_state` [1, tokens, width] after the final norm. All tokens see all
 * others, padding too, as in diffusers' pipelines of SD 3 and FLUX.1, which pass no mask.
 *
 * Arithmetic is in float32 whatever the weights are stored in: products of the feed-forward layer are beyond what float16
 * holds, which is why transformers keeps `wo` in float32.
 */
export function t5Encoder(layer: LayerContext, config: T5Config, tokens: number): void {
  const { g, weights } = layer;
  const { hiddenSize, numLayers, epsilon } = config;
  const inputIds = g.input('input_ids', 'int64', [1, tokens]);
  const words = weights('shared.weight', [config.vocabSize, hiddenSize], { stdDev: 1 });
  const h = g.scoped('encoder', () => {
    const bias = positionBias(layer, config, tokens);
    let x = words.gather(inputIds);
    for (let index = 0; index < numLayers; index++)
      x = g.scoped(`block.${index}`, () => {
        const normed = rmsNorm(layer, 'layer.0/layer_norm', x, epsilon);
        const attended = x.add(selfAttention(layer, normed, bias, config));
        const inner = rmsNorm(layer, 'layer.1/layer_norm', attended, epsilon);
        return attended.add(gatedFeedForward(layer, inner, config));
      });
    return rmsNorm(layer, 'final_layer_norm', x, epsilon);
  });
  g.output(h, 'last_hidden_state');
}

/** [1, heads, tokens, tokens]. */
function positionBias(
  { g, weights }: LayerContext,
  { numBuckets, maxDistance, numHeads }: T5Config,
  tokens: number,
): Expression {
  const name = 'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight';
  const table = weights(name, [numBuckets, numHeads], { stdDev: 1 });
  const buckets = relativePositionBuckets(tokens, { numBuckets, maxDistance });
  return table
    .gather(g.constant(int64([...buckets], [tokens, tokens])))
    .transpose([2, 0, 1])
    .unsqueeze([0]);
}

function selfAttention(
  layer: LayerContext,
  x: Expression,
  bias: Expression,
  { headSize, numHeads, hiddenSize }: T5Config,
): Expression {
  return layer.g.scoped('layer.0/SelfAttention', () => {
    const heads = (name: string, order: readonly number[]) =>
      linear(layer, name, x, { features: numHeads * headSize, bias: false })
        .reshape([0, 0, numHeads, headSize])
        .transpose(order);
    const scores = heads('q', [0, 2, 1, 3]).matMul(heads('k', [0, 2, 3, 1]));
    const mixed = scores
      .add(bias)
      .softmax()
      .matMul(heads('v', [0, 2, 1, 3]));
    const joined = mixed.transpose([0, 2, 1, 3]).reshape([0, 0, numHeads * headSize]);
    return linear(layer, 'o', joined, { features: hiddenSize, bias: false });
  });
}

function gatedFeedForward(
  layer: LayerContext,
  x: Expression,
  { intermediateSize, hiddenSize }: T5Config,
): Expression {
  return layer.g.scoped('layer.1/DenseReluDense', () => {
    const inner = (name: string) => linear(layer, name, x, { features: intermediateSize, bias: false });
    const gated = inner('wi_0').gelu('tanh').mul(inner('wi_1'));
    return linear(layer, 'wo', gated, { features: hiddenSize, bias: false });
  });
}
