/** @file JointTransformerBlock of diffusers: tokens of picture and prompt, with weights of their own, attend together. */

import { at } from '../../at.js';
import { concat, type Expression } from '../graph/ops/expression.js';
import { type LayerContext, linear } from './layers.js';
import { EPSILON, modulated, modulations, plainNorm } from './sd3-modulation.js';

/** The tokens of the picture [B, N, D] and of the prompt [B, M, D]. */
export interface Streams {
  readonly picture: Expression;
  readonly prompt: Expression;
}

interface BlockOptions {
  /** The embedding of time and prompt [B, D] after its activation. */
  readonly time: Expression;
  readonly headSize: number;
  /** After the last block nobody reads the prompt, which it therefore leaves as it is. */
  readonly isLast: boolean;
  /** Whether the picture attends to itself once more (SD 3.5 medium). */
  readonly attendsTwice: boolean;
  readonly normalizesHeads: boolean;
}

/** One block: x + gate · attention(norm x), then x + gate · feedForward(norm x), for both streams. */
export function jointBlock(
  layer: LayerContext,
  scope: string,
  { picture, prompt }: Streams,
  { time, headSize, isLast, attendsTwice, normalizesHeads }: BlockOptions,
): Streams {
  const features = at(picture.shape, 2);
  const heads = { headSize, normalizes: normalizesHeads };
  return layer.g.scoped(scope, () => {
    const ofPicture = modulations(layer, 'norm1', time, { count: attendsTwice ? 9 : 6, features });
    const ofPrompt = modulations(layer, 'norm1_context', time, { count: isLast ? 2 : 6, features });
    const [shift, scale, gate] = ofPicture as [Expression, Expression, Expression];
    const normed = plainNorm(picture);
    const moved = normed.mul(scale.add(1)).add(shift);
    // AdaLayerNormContinuous has its scale first, AdaLayerNormZero its shift.
    const [first, second] = ofPrompt as [Expression, Expression];
    const context = isLast ? modulated(prompt, first, second) : modulated(prompt, second, first);
    const mixed = jointAttention(layer, { picture: moved, prompt: context }, { ...heads, isLast });
    let x = picture.add(gate.mul(mixed.picture));
    if (attendsTwice) {
      const [shift2, scale2, gate2] = ofPicture.slice(6) as [Expression, Expression, Expression];
      const moved2 = normed.mul(scale2.add(1)).add(shift2);
      x = x.add(gate2.mul(selfAttention(layer, moved2, heads)));
    }
    x = fedForward(layer, 'ff', x, ofPicture);
    if (isLast) return { picture: x, prompt };
    const attended = prompt.add(at(ofPrompt, 2).mul(mixed.prompt));
    return { picture: x, prompt: fedForward(layer, 'ff_context', attended, ofPrompt) };
  });
}

/** x + gate · ff(norm x), by the last three of a stream's six vectors for its attention and feed-forward layers. */
function fedForward(
  layer: LayerContext,
  scope: string,
  x: Expression,
  vectors: readonly Expression[],
): Expression {
  const [shift, scale, gate] = vectors.slice(3) as [Expression, Expression, Expression];
  const features = at(x.shape, 2);
  return layer.g.scoped(scope, () => {
    const normed = modulated(x, scale, shift);
    const hidden = linear(layer, 'net.0/proj', normed, { features: 4 * features }).gelu('tanh');
    return x.add(gate.mul(linear(layer, 'net.2', hidden, { features })));
  });
}

interface HeadOptions {
  readonly headSize: number;
  /** Whether each query and each key is divided by its root mean square. */
  readonly normalizes: boolean;
}

/** Queries, keys and values of all heads, side by side: [B, N, D] each. */
type Projections = readonly [query: Expression, key: Expression, value: Expression];

/** Both streams attend to both: their queries, keys and values are joined along the tokens. */
function jointAttention(
  layer: LayerContext,
  { picture, prompt }: Streams,
  { isLast, ...heads }: HeadOptions & { readonly isLast: boolean },
): Streams {
  const features = at(picture.shape, 2);
  return layer.g.scoped('attn', () => {
    const own = projections(layer, picture, heads, PICTURE);
    const added = projections(layer, prompt, heads, PROMPT);
    const joined = own.map((part, index) => concat([part, at(added, index)], 1)) as unknown as Projections;
    const mixed = attend(joined, heads.headSize);
    const counts = [at(picture.shape, 1), at(prompt.shape, 1)];
    const [ofPicture, ofPrompt] = mixed.split(counts, 1) as [Expression, Expression];
    return {
      picture: linear(layer, 'to_out.0', ofPicture, { features }),
      prompt: isLast ? ofPrompt : linear(layer, 'to_add_out', ofPrompt, { features }),
    };
  });
}

function selfAttention(layer: LayerContext, x: Expression, heads: HeadOptions): Expression {
  return layer.g.scoped('attn2', () => {
    const mixed = attend(projections(layer, x, heads, PICTURE), heads.headSize);
    return linear(layer, 'to_out.0', mixed, { features: at(x.shape, 2) });
  });
}

/** Names of the projections, and of the norms of queries and keys. */
const PICTURE = { layers: ['to_q', 'to_k', 'to_v'], norms: ['norm_q', 'norm_k'] };
const PROMPT = {
  layers: ['add_q_proj', 'add_k_proj', 'add_v_proj'],
  norms: ['norm_added_q', 'norm_added_k'],
};

function projections(
  layer: LayerContext,
  x: Expression,
  { headSize, normalizes }: HeadOptions,
  { layers, norms }: typeof PICTURE,
): Projections {
  const features = at(x.shape, 2);
  return layers.map((name, index) => {
    const projected = linear(layer, name, x, { features });
    const norm = normalizes ? norms[index] : undefined;
    return norm === undefined ? projected : headNorm(layer, norm, projected, headSize);
  }) as unknown as Projections;
}

/** RMSNorm of every head: x / sqrt(mean x² + ε) · weight, over the features of a head (Zhang and Sennrich 2019). */
function headNorm({ g, weights }: LayerContext, scope: string, x: Expression, headSize: number): Expression {
  const features = at(x.shape, 2);
  return g.scoped(scope, () => {
    const path = `${g.scope.slice(1).replaceAll('/', '.')}.weight`;
    const weight = weights(path, [headSize], { constant: 1 });
    const heads = x.reshape([0, 0, features / headSize, headSize]);
    const size = heads.mul(heads).reduceMean([3]).add(EPSILON).sqrt();
    return heads.div(size).mul(weight).reshape([0, 0, features]);
  });
}

/** softmax(q kᵀ / sqrt(d)) v for every head: [B, N, D]. */
function attend([query, key, value]: Projections, headSize: number): Expression {
  const features = at(query.shape, 2);
  const heads = (x: Expression, order: readonly number[]) =>
    x.reshape([0, 0, features / headSize, headSize]).transpose(order);
  const scores = heads(query, [0, 2, 1, 3])
    .matMul(heads(key, [0, 2, 3, 1]))
    .mul(1 / Math.sqrt(headSize));
  const mixed = scores.softmax().matMul(heads(value, [0, 2, 1, 3]));
  return mixed.transpose([0, 2, 1, 3]).reshape([0, 0, features]);
}
