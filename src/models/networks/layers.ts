/**
 * @file The layers that networks are made of. Scopes become the names of nodes and weights, which are those of an exported
 * Stable Diffusion. The batch size is in no constant, so a model file can leave it open.
 */

import { at } from '../../at.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import { conv } from '../graph/ops/convolution.js';
import { concat, type Expression } from '../graph/ops/expression.js';
import { groupNormalization, layerNormalization } from '../graph/ops/normalization.js';
import { float32 } from '../tensor.js';
import type { WeightSource } from './weights.js';

/** What a layer needs besides its input: the graph, and where weights come from. */
export interface LayerContext {
  readonly g: GraphBuilder;
  readonly weights: WeightSource;
  /** How the matrix of a linear layer lies: [in, out], or [out, in] as PyTorch stores it. Default `in-out`. */
  readonly matrixLayout?: 'in-out' | 'out-in';
}

/** Default of what norms add to a variance. */
export const NORM_EPSILON = 1e-5;

/** The name of a weight in the current scope: `/a/b` and `weight` make `a.b.weight`. */
const nameOf = (g: GraphBuilder, name: string) => `${g.scope.slice(1).replaceAll('/', '.')}.${name}`;

interface LinearOptions {
  readonly features: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Scale of the first weights, default 1. */
  readonly gain?: number | undefined;
}

/** y = x W + b, or x Wᵀ + b where matrices lie as in PyTorch. LoRA adapts the node `<scope>/MatMul` or `<scope>/Gemm`. */
export function linear(
  { g, weights, matrixLayout = 'in-out' }: LayerContext,
  scope: string,
  x: Expression,
  { features, bias = true, gain = 1 }: LinearOptions,
): Expression {
  return g.scoped(scope, () => {
    const inputs = at(x.shape, -1);
    const initialization = { stdDev: gain / Math.sqrt(inputs) };
    const added = () => (bias ? weights(nameOf(g, 'bias'), [features], { constant: 0 }) : undefined);
    if (matrixLayout === 'out-in') {
      const weight = weights(nameOf(g, 'weight'), [features, inputs], initialization);
      const rows = x.shape.length === 2 ? x : x.reshape([-1, inputs]);
      const product = rows.gemm(weight, { right: true }, added());
      return x.shape.length === 2 ? product : product.reshape([-1, ...x.shape.slice(1, -1), features]);
    }
    const product = x.matMul(weights(nameOf(g, 'weight'), [inputs, features], initialization));
    const constant = added();
    return constant ? product.add(constant) : product;
  });
}

interface ConvOptions {
  readonly channels: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Default 3. */
  readonly kernel?: 1 | 3;
  /** Default 1. */
  readonly stride?: number;
  /** Scale of the first weights, default 1. */
  readonly gain?: number | undefined;
}

/** 3x3 or 1x1 convolution; padding keeps the size at stride 1. */
export function conv2d(
  { g, weights }: LayerContext,
  scope: string,
  x: Expression,
  { channels, bias = true, kernel = 3, stride = 1, gain = 1 }: ConvOptions,
): Expression {
  return g.scoped(scope, () => {
    const inputs = at(x.shape, 1);
    const pad = (kernel - 1) / 2;
    const weight = weights(nameOf(g, 'weight'), [channels, inputs, kernel, kernel], {
      stdDev: gain / Math.sqrt(inputs * kernel * kernel),
    });
    const added = bias ? weights(nameOf(g, 'bias'), [channels], { constant: 0 }) : undefined;
    return conv(x, weight, added, { pads: [pad, pad, pad, pad], strides: [stride, stride] });
  });
}

/** GroupNorm over [B, C, H, W] with a weight and a bias for each channel. */
export function groupNorm(
  { g, weights }: LayerContext,
  scope: string,
  x: Expression,
  { numGroups, epsilon = NORM_EPSILON }: { numGroups: number; epsilon?: number | undefined },
): Expression {
  return g.scoped(scope, () => {
    const perChannel = [at(x.shape, 1), 1, 1];
    const weight = weights(nameOf(g, 'weight'), perChannel, { constant: 1 });
    const bias = weights(nameOf(g, 'bias'), perChannel, { constant: 0 });
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
    const features = [at(x.shape, -1)];
    const scale = weights(nameOf(g, 'weight'), features, { constant: 1 });
    const bias = weights(nameOf(g, 'bias'), features, { constant: 0 });
    return layerNormalization(x, scale, bias, { epsilon }).normalized;
  });
}

interface AttentionOptions {
  readonly headSize: number;
  /** What keys and values come from, [B, M, D]; default x itself. */
  readonly context?: Expression;
  /** Added to the scores, broadcast to [B, heads, N, M]. */
  readonly mask?: Expression | undefined;
  /** Scopes of the four projections; default those of diffusers. */
  readonly names?: typeof DIFFUSERS_NAMES;
  /** Whether the first three projections have a bias; default false. */
  readonly bias?: boolean;
}

const DIFFUSERS_NAMES = { query: 'to_q', key: 'to_k', value: 'to_v', output: 'to_out.0' };

/** Multi-head attention softmax(q kᵀ / sqrt(d)) v, projecting q, k, v and the output: x [B, N, C] -> [B, N, C]. */
export function attention(
  layer: LayerContext,
  scope: string,
  x: Expression,
  { headSize, context = x, mask, names = DIFFUSERS_NAMES, bias = false }: AttentionOptions,
): Expression {
  return layer.g.scoped(scope, () => {
    const channels = at(x.shape, 2);
    const numHeads = channels / headSize;
    const heads = (name: string, source: Expression, order: readonly number[]) =>
      linear(layer, name, source, { features: channels, bias })
        .reshape([0, 0, numHeads, headSize])
        .transpose(order);
    const query = heads(names.query, x, [0, 2, 1, 3]);
    const key = heads(names.key, context, [0, 2, 3, 1]);
    const value = heads(names.value, context, [0, 2, 1, 3]);
    const scores = query.matMul(key).mul(1 / Math.sqrt(headSize));
    const weights = (mask ? scores.add(mask) : scores).softmax();
    const mixed = weights.matMul(value).transpose([0, 2, 1, 3]).reshape([0, 0, channels]);
    return linear(layer, names.output, mixed, { features: channels });
  });
}

/** Two linear layers with GELU between. */
export function feedForward(layer: LayerContext, scope: string, x: Expression, multiple: number): Expression {
  const features = at(x.shape, -1);
  return layer.g.scoped(scope, () => {
    const hidden = linear(layer, 'net.0', x, { features: features * multiple }).gelu();
    return linear(layer, 'net.2', hidden, { features });
  });
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
