/** @file CLIPTextModel and CLIPTextModelWithProjection of transformers as a graph: token ids -> embeddings. */

import * as z from 'zod';
import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { type JsonFile, readJsonFile } from '../files/json-file.js';
import type { Expression } from '../graph/ops/expression.js';
import { float32, int64 } from '../tensor.js';
import { count, decimal, named, objectOf, parts, whole } from './config-fields.js';
import { attention, type LayerContext, layerNorm, linear } from './layers.js';

export interface ClipTextConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly maxPositionEmbeddings: number;
  readonly layerNormEps: number;
  readonly activation: 'quick_gelu' | 'gelu';
  readonly eosTokenId: number;
  /** Width of `text_embeds`; null if the model has no projection. */
  readonly projectionDim: number | null;
}

const SUPPORTED = 'Use the text encoder of SD 1.x, SD 2.x or SDXL, or one exported to ONNX.';
/** Far below every score, so that its softmax is 0. */
const MASKED = -1e9;

const CLASSES = ['CLIPTextModel', 'CLIPTextModelWithProjection'] as const;
type TextClass = (typeof CLASSES)[number];
const isTextClass = (name: unknown): name is TextClass => CLASSES.some((known) => known === name);

/** Keys that a file lacks have the defaults of transformers. */
const fieldsOf = (architecture: z.ZodType<unknown>) =>
  objectOf({
    architectures: z.tuple([architecture], { error: `expected ${CLASSES.join(' or ')}` }).optional(),
    vocab_size: count().default(49408),
    hidden_size: count().default(512),
    intermediate_size: count().default(2048),
    num_hidden_layers: parts().default(12),
    num_attention_heads: parts().default(8),
    // The causal mask is a square of this side.
    max_position_embeddings: count(4096).default(77),
    layer_norm_eps: decimal().default(1e-5),
    hidden_act: named(['quick_gelu', 'gelu']).default('quick_gelu'),
    // The default of transformers before 4.29, which in published configs stands for the highest id.
    eos_token_id: whole().default(2),
    projection_dim: count().default(512),
  });
const wholeClip = z.object({ model_type: z.literal('clip'), text_config: z.looseObject({}) });
/** Of a whole CLIP, transformers reads the part for texts. */
const schemaFor = (architecture: z.ZodType<unknown>) =>
  z.preprocess((content) => {
    const whole = wholeClip.safeParse(content);
    return whole.success ? { ...whole.data.text_config, architectures: undefined } : content;
  }, fieldsOf(architecture));
const ANY_CLIP = z.string().regex(/^CLIP/, { error: `expected ${CLASSES.join(' or ')}` });

/**
 * Reads `text_encoder/config.json`.
 *
 * Errors: TRIB_MODEL, naming the file, the key and what is supported.
 * @param className the class that model_index.json names, which is the one that diffusers makes; the file's own counts where
 * that is none of the two.
 */
export async function readClipTextConfig(
  path: JsonFile,
  className: string | null = null,
): Promise<ClipTextConfig> {
  const known = isTextClass(className) ? className : null;
  const schema = schemaFor(known ? ANY_CLIP : named(CLASSES));
  const json = await readJsonFile(path, schema, { code: 'TRIB_MODEL', nextStep: SUPPORTED });
  const own = json.architectures?.[0];
  const textClass = known ?? (isTextClass(own) ? own : undefined);
  if (textClass === undefined) {
    const text = `${path} architectures: expected ${CLASSES.join(' or ')}, got none here and ${JSON.stringify(className)} in model_index.json. ${SUPPORTED}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  if (json.hidden_size % json.num_attention_heads !== 0) {
    const text = `${path} num_attention_heads: expected a divisor of hidden_size ${json.hidden_size}, got ${json.num_attention_heads}. ${SUPPORTED}`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  return {
    vocabSize: json.vocab_size,
    hiddenSize: json.hidden_size,
    intermediateSize: json.intermediate_size,
    numHiddenLayers: json.num_hidden_layers,
    numAttentionHeads: json.num_attention_heads,
    maxPositionEmbeddings: json.max_position_embeddings,
    layerNormEps: json.layer_norm_eps,
    activation: json.hidden_act,
    eosTokenId: json.eos_token_id,
    projectionDim: textClass === 'CLIPTextModelWithProjection' ? json.projection_dim : null,
  };
}

/**
 * Appends the network for one prompt, with the names of optimum's exports.
 *
 * Input: `input_ids` [1, tokens] int64. Outputs: `last_hidden_state` [1, tokens, width] after the final norm;
 * `hidden_states.<n>` before it, of the last layer and the one before; `text_embeds` [1, P] with a projection.
 */
export function clipTextModel(layer: LayerContext, config: ClipTextConfig, tokens: number): void {
  const { g, weights } = layer;
  const { hiddenSize, numHiddenLayers, layerNormEps } = config;
  const inputIds = g.input('input_ids', 'int64', [1, tokens]);
  const lastHiddenState = g.scoped('text_model', () => {
    const embedding = (name: string, rows: number) =>
      weights(`text_model.embeddings.${name}_embedding.weight`, [rows, hiddenSize], { stdDev: 1 });
    const words = embedding('token', config.vocabSize);
    const places = embedding('position', config.maxPositionEmbeddings);
    const used = places.slice({ starts: [0], ends: [tokens], axes: [0] });
    const mask = causalMask(layer, tokens);
    let h = words.gather(inputIds).add(used);
    for (let index = 0; index < numHiddenLayers; index++) {
      if (index === numHiddenLayers - 1) g.output(h, `hidden_states.${index}`);
      h = encoderLayer(layer, `encoder/layers.${index}`, h, { ...config, mask });
    }
    g.output(h, `hidden_states.${numHiddenLayers}`);
    return layerNorm(layer, 'final_layer_norm', h, layerNormEps);
  });
  g.output(lastHiddenState, 'last_hidden_state');
  if (config.projectionDim !== null) {
    const pooled = atEnd(layer, lastHiddenState, inputIds, config.eosTokenId);
    const options = { features: config.projectionDim, bias: false };
    g.output(linear(layer, 'text_projection', pooled, options), 'text_embeds');
  }
}

const PROJECTIONS = { query: 'q_proj', key: 'k_proj', value: 'v_proj', output: 'out_proj' };

function encoderLayer(
  layer: LayerContext,
  scope: string,
  x: Expression,
  config: ClipTextConfig & { readonly mask: Expression },
): Expression {
  const { mask, hiddenSize, layerNormEps: epsilon, intermediateSize } = config;
  return layer.g.scoped(scope, () => {
    const normed = layerNorm(layer, 'layer_norm1', x, epsilon);
    const headSize = hiddenSize / config.numAttentionHeads;
    const h = x.add(
      attention(layer, 'self_attn', normed, { headSize, mask, names: PROJECTIONS, bias: true }),
    );
    const inner = linear(layer, 'mlp/fc1', layerNorm(layer, 'layer_norm2', h, epsilon), {
      features: intermediateSize,
    });
    const active = config.activation === 'gelu' ? inner.gelu() : inner.mul(inner.mul(1.702).sigmoid());
    return h.add(linear(layer, 'mlp/fc2', active, { features: hiddenSize }));
  });
}

/** No token sees a later one. */
function causalMask({ g }: LayerContext, tokens: number): Expression {
  const mask = new Float32Array(tokens * tokens);
  for (let row = 0; row < tokens; row++) mask.fill(MASKED, row * tokens + row + 1, (row + 1) * tokens);
  return g.constant(float32(mask, [1, 1, tokens, tokens]));
}

/**
 * The hidden state [1, width] at the first end-of-text token. As in transformers, an id of 2 stands for the highest one,
 * whatever the vocabulary.
 */
function atEnd({ g }: LayerContext, hidden: Expression, ids: Expression, eosTokenId: number): Expression {
  const tokens = at(ids.shape, 1);
  const marked = eosTokenId === 2 ? ids : ids.equal(g.constant(int64([eosTokenId], [1]))).cast('int32');
  const [end] = g.emit('ArgMax', [marked], {
    axis: { kind: 'int', value: 1 },
    keepdims: { kind: 'int', value: 1 },
  }) as [Expression];
  const places = g.constant(int64([...Array(tokens).keys()], [1, tokens]));
  const chosen = places.equal(end).cast('float32');
  return chosen.reshape([0, 1, tokens]).matMul(hidden).reshape([0, -1]);
}
