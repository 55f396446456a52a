/**
 * @file The form of a graph that is differentiated. Normalizations become LayerNormalization without scale and bias, whose
 * outputs n and 1 / std the gradient reuses, followed by the scale and the bias.
 */

import { at } from '../../../at.js';
import { elementCount, float32 } from '../../tensor.js';
import { floatAttribute, type Graph, intAttribute, type Value } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import type { Expression } from '../ops/expression.js';
import { layerNormalization } from '../ops/normalization.js';
import { rewriteGraph } from './rewrite.js';

/** Returns the same function in operators whose gradients share work with the forward pass. */
export function lowerForTraining(graph: Graph): Graph {
  return rewriteGraph(graph, (g, node) => {
    if (node.domain !== '') return undefined;
    const [x, scale, bias] = node.inputs;
    if (!x || !scale) return undefined;
    const norm: Norm = {
      x: g.expression(x),
      scale: g.expression(scale),
      bias: bias && g.expression(bias),
      epsilon: floatAttribute(node, 'epsilon', 1e-5),
    };
    switch (node.op) {
      case 'LayerNormalization': {
        const options = { epsilon: norm.epsilon, axis: intAttribute(node, 'axis', -1) };
        return affine(g, normalize(norm.x, norm.scale.shape, options), norm);
      }
      case 'InstanceNormalization':
        return normalizeChannels(g, norm, at(x.shape, 1));
      case 'GroupNormalization':
        return normalizeChannels(g, norm, intAttribute(node, 'num_groups', 1));
      default:
        return undefined;
    }
  });
}

interface Norm {
  readonly x: Expression;
  readonly scale: Expression;
  readonly bias: Expression | undefined;
  readonly epsilon: number;
}

/** Normalizes every group of channels of every sample. */
function normalizeChannels(g: GraphBuilder, norm: Norm, groups: number): Expression {
  const { x, epsilon } = norm;
  const rows = x.reshape([at(x.shape, 0), groups, -1]);
  return affine(g, normalize(rows, rows.shape.slice(2), { epsilon }), norm, [groups, 1]).reshape(x.shape);
}

function normalize(
  x: Expression,
  shape: readonly number[],
  options: { readonly epsilon: number; readonly axis?: number },
): Expression {
  const unit = x.graph.constant(float32(new Float32Array(elementCount(shape)).fill(1), shape));
  return layerNormalization(x, unit, undefined, options).normalized;
}

/** normalized · scale + bias, without a scale that is constant ones or a bias that is constant zeros. */
function affine(
  g: GraphBuilder,
  normalized: Expression,
  { scale, bias }: Norm,
  shape?: readonly number[],
): Expression {
  const align = (value: Expression) => (shape ? value.reshape(shape) : value);
  const scaled = isConstant(g, scale, 1) ? normalized : normalized.mul(align(scale));
  return !bias || isConstant(g, bias, 0) ? scaled : scaled.add(align(bias));
}

function isConstant(g: GraphBuilder, value: Value, number: number): boolean {
  const tensor = g.initializers.get(value.name);
  return tensor?.type === 'float32' && (tensor.data as Float32Array).every((element) => element === number);
}
