/**
 * @file The form of a graph that is differentiated. Normalisations are written as LayerNormalization without scale and bias,
 * whose outputs n and 1 / std the gradient uses again, followed by the scale and the bias.
 */

import { float32 } from '../../tensor.js';
import type { Graph, Node, Value } from '../graph.js';
import { floatAttribute, intAttribute } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import * as op from '../ops/index.js';
import { rewriteGraph } from './rewrite.js';

/** Returns the same function in operators whose gradients share work with the forward pass. */
export function lowerForTraining(graph: Graph): Graph {
  return rewriteGraph(graph, (g, node) => {
    if (node.domain !== '') return undefined;
    const [x, scale, bias] = node.inputs;
    if (!x || !scale) return undefined;
    const epsilon = floatAttribute(node, 'epsilon', 1e-5);
    switch (node.op) {
      case 'LayerNormalization':
        return lowerLayerNormalization(g, node, x, scale, bias, epsilon);
      case 'InstanceNormalization':
        return normalizeChannels(g, x, scale, bias, x.shape[1] ?? 1, epsilon);
      case 'GroupNormalization':
        return normalizeChannels(g, x, scale, bias, intAttribute(node, 'num_groups', 1), epsilon);
      default:
        return undefined;
    }
  });
}

function lowerLayerNormalization(
  g: GraphBuilder,
  node: Node,
  x: Value,
  scale: Value,
  bias: Value | undefined,
  epsilon: number,
): Value {
  const normalized = normalize(g, x, scale.shape, epsilon, intAttribute(node, 'axis', -1));
  return affine(g, normalized, scale, bias);
}

function normalizeChannels(
  g: GraphBuilder,
  x: Value,
  scale: Value,
  bias: Value | undefined,
  groups: number,
  epsilon: number,
): Value {
  const rows = op.reshape(g, x, [x.shape[0] ?? 1, groups, -1]);
  const normalized = normalize(g, rows, rows.shape.slice(2), epsilon, -1);
  return op.reshape(g, affine(g, normalized, scale, bias, [groups, 1]), x.shape);
}

function normalize(
  g: GraphBuilder,
  x: Value,
  shape: readonly number[],
  epsilon: number,
  axis: number,
): Value {
  const unit = g.constant(float32(new Float32Array(shape.reduce((n, size) => n * size, 1)).fill(1), shape));
  return op.layerNormalization(g, x, unit, undefined, epsilon, axis).normalized;
}

/** x · scale + bias, without the steps that a constant scale of ones or bias of zeros makes idle. */
function affine(
  g: GraphBuilder,
  x: Value,
  scale: Value,
  bias: Value | undefined,
  shape?: readonly number[],
): Value {
  const fitted = (value: Value) => (shape ? op.reshape(g, value, shape) : value);
  const scaled = isConstant(g, scale, 1) ? x : op.mul(g, x, fitted(scale));
  return !bias || isConstant(g, bias, 0) ? scaled : op.add(g, scaled, fitted(bias));
}

function isConstant(g: GraphBuilder, value: Value, number: number): boolean {
  const tensor = g.initializers.get(value.name);
  return tensor?.type === 'float32' && (tensor.data as Float32Array).every((element) => element === number);
}
