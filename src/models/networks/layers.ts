/**
 * @file The layers that the small networks are made of, named as diffusers names them, so that node names and weight names
 * are those of an exported Stable Diffusion. The batch size appears in no constant, so a model file can leave it open.
 */

import type { GraphBuilder } from '../graph/ops/builder.js';
import { conv } from '../graph/ops/convolution.js';
import { concat, type Expression } from '../graph/ops/expression.js';
import { groupNormalization, layerNormalization } from '../graph/ops/normalization.js';
import { float32 } from '../tensor.js';
import type { WeightSource } from './weights.js';

/** What a layer needs besides its input: the graph and where weights come from. */
export interface LayerContext {
  readonly g: GraphBuilder;
  readonly weights: WeightSource;
  /** How the matrix of a linear layer lies: [in, out], or [out, in] as PyTorch stores it. Default `in-out`. */
  readonly matrixLayout?: 'in-out' | 'out-in';
}

/** What is added to a variance where a network does not say. */
export const NORM_EPSILON = 1e-5;

/** Name of a weight in the current scope: `/a/b` and `weight` make `a.b.weight`. */
const named = (g: GraphBuilder, name: string) => `${g.scope.slice(1).replaceAll('/', '.')}.${name}`;

/** y = x W + b, or x Wᵀ + b where matrices lie as in PyTorch; the node that LoRA adapts is `<scope>/MatMul` or `<scope>/Gemm`. */
export function linear(
  { g, weights, matrixLayout = 'in-out' }: LayerContext,
  scope: string,
  x: Expression,
  features: number,
  { bias = true, gain = 1 } = {},
): Expression {
  return g.scoped(scope, () => {
    const inputs = x.shape.at(-1) ?? 1;
    const initialization = { stdDev: gain / Math.sqrt(inputs) };
    const added = () => (bias ? weights(named(g, 'bias'), [features], { constant: 0 }) : undefined);
    if (matrixLayout === 'out-in') {
      const weight = weights(named(g, 'weight'), [features, inputs], initialization);
      const rows = x.shape.length === 2 ? x : x.reshape([-1, inputs]);
      const product = rows.gemm(weight, { right: true }, added());
      return x.shape.length === 2 ? product : product.reshape([-1, ...x.shape.slice(1, -1), features]);
    }
    const product = x.matMul(weights(named(g, 'weight'), [inputs, features], initialization));
    const constant = added();
    return constant ? product.add(constant) : product;
  });
}

/** 3x3 or 1x1 convolution with bias; padding keeps the size at stride 1. */
export function conv2d(
  { g, weights }: LayerContext,
  scope: string,
  x: Expression,
  channels: number,
  { kernel = 3, stride = 1, gain = 1 } = {},
): Expression {
  return g.scoped(scope, () => {
    const inputs = x.shape[1] ?? 1;
    const pad = (kernel - 1) / 2;
    const weight = weights(named(g, 'weight'), [channels, inputs, kernel, kernel], {
      stdDev: gain / Math.sqrt(inputs * kernel * kernel),
    });
    const bias = weights(named(g, 'bias'), [channels], { constant: 0 });
    return conv(x, weight, bias, { pads: [pad, pad, pad, pad], strides: [stride, stride] });
  });
}

/** GroupNorm over [B, C, H, W] with a weight and bias a channel. */
export function groupNorm(
  { g, weights }: LayerContext,
  scope: string,
  x: Expression,
  numGroups: number,
  epsilon = NORM_EPSILON,
): Expression {
  return g.scoped(scope, () => {
    const perChannel = [x.shape[1] ?? 1, 1, 1];
    const weight = weights(named(g, 'weight'), perChannel, { constant: 1 });
    const bias = weights(named(g, 'bias'), perChannel, { constant: 0 });
    return groupNormalization(x, weight, bias, { numGroups, epsilon });
  });
}

/** LayerNorm over the last axis. */
export function layerNorm(
  { g, weights }: LayerContext,
  scope: string,
  x: Expression,
  epsilon = NORM_EPSILON,
): Expression {
  return g.scoped(scope, () => {
    const features = [x.shape.at(-1) ?? 1];
    const scale = weights(named(g, 'weight'), features, { constant: 1 });
    const bias = weights(named(g, 'bias'), features, { constant: 0 });
    return layerNormalization(x, scale, bias, { epsilon }).normalized;
  });
}

export interface AttentionOptions {
  /** Added to the scores, broadcast to [B, heads, N, M]. */
  readonly mask?: Expression | undefined;
  /** Scopes of the four projections; default those of diffusers. */
  readonly names?: AttentionNames;
  /** Whether the first three projections have a bias; default false. */
  readonly bias?: boolean;
}

export interface AttentionNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
}

const DIFFUSERS_NAMES: AttentionNames = { query: 'to_q', key: 'to_k', value: 'to_v', output: 'to_out.0' };

/**
 * Multi-head attention: softmax(q kᵀ / sqrt(d)) v, with a projection each for q, k, v and the output.
 * x [B, N, C]; context [B, M, D], or x itself for self-attention.
 */
export function attention(
  layer: LayerContext,
  scope: string,
  x: Expression,
  context: Expression,
  headSize: number,
  { mask, names = DIFFUSERS_NAMES, bias = false }: AttentionOptions = {},
): Expression {
  const { g } = layer;
  return g.scoped(scope, () => {
    const channels = x.shape[2] ?? 1;
    const numHeads = channels / headSize;
    const heads = (name: string, source: Expression, order: readonly number[]) =>
      linear(layer, name, source, channels, { bias }).reshape([0, 0, numHeads, headSize]).transpose(order);
    const query = heads(names.query, x, [0, 2, 1, 3]);
    const key = heads(names.key, context, [0, 2, 3, 1]);
    const value = heads(names.value, context, [0, 2, 1, 3]);
    const scores = query.matMul(key).mul(1 / Math.sqrt(headSize));
    const weights = (mask ? scores.add(mask) : scores).softmax();
    const mixed = weights.matMul(value).transpose([0, 2, 1, 3]).reshape([0, 0, channels]);
    return linear(layer, names.output, mixed, channels);
  });
}

/** Two linear layers with GELU between. */
export function feedForward(layer: LayerContext, scope: string, x: Expression, multiple: number): Expression {
  const { g } = layer;
  const features = x.shape.at(-1) ?? 1;
  return g.scoped(scope, () =>
    linear(layer, 'net.2', linear(layer, 'net.0', x, features * multiple).gelu(), features),
  );
}

/**
 * Sinusoidal embedding of numbers (any type, any shape of B elements) as [B, size]: sines, then cosines, of
 * t · 10000^(-i / (size / 2 - freqShift)), or cosines first.
 */
export function timestepEmbedding(
  timestep: Expression,
  size: number,
  { cosinesFirst = false, freqShift = 0 } = {},
): Expression {
  const half = size / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => 10_000 ** (-i / (half - freqShift)));
  const time = timestep.type === 'float32' ? timestep : timestep.cast('float32');
  const phases = time.reshape([-1, 1]).mul(time.graph.constant(float32(frequencies, [1, half])));
  const waves = [phases.sin(), phases.cos()];
  return concat(cosinesFirst ? waves.reverse() : waves, 1);
}
