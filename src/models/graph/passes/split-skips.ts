/**
 * @file Convolutions of channels that a Concat put together, as at the skip connections of a UNet, part by part:
 * (a | b) ⋆ (u | v) = a ⋆ u + b ⋆ v. Between the two, group normalization with groups inside the parts, scales and biases of
 * channels and activations are computed for each part, too. Then nothing is concatenated, and a part that depends on no
 * parameter has no gradient: at the outer skips of a UNet that is half of the channels. Parts whose channels are no
 * multiple of a block of onnxruntime's layout, and kernels that stay in their file, are left alone.
 */

import { at } from '../../../at.js';
import { type Graph, intAttribute, type Node, type Value } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import type { Expression } from '../ops/expression.js';
import { windowOf } from '../shapes/convolution-shapes.js';
import { rewriteGraph } from './rewrite.js';

/** Channels in a block of the layout in which onnxruntime's CPU provider convolves, with AVX-512. */
const BLOCK = 16;

/** The parts of a value along its axis 1. */
type Parts = readonly Expression[];

/** Returns the same function, up to rounding. */
export function splitSkips(graph: Graph): Graph {
  const known = new Map<string, Parts>();
  return rewriteGraph(graph, (g, node) => {
    if (node.domain !== '') return undefined;
    const inputs = node.inputs.map((input) => input && known.get(input.name));
    if (node.op === 'Conv') return inputs[0] && sumOfConvolutions(g, node, inputs[0]);
    const parts = node.op === 'Concat' ? concatenated(g, node) : partsOf(g, node, inputs);
    // The whole value stays, and is dropped at the end where only its parts are read.
    if (parts) known.set(at(node.outputs, 0).name, parts);
    return undefined;
  });
}

function concatenated(g: GraphBuilder, node: Node): Parts | undefined {
  const parts = node.inputs.map((input) => g.expression(input as Value));
  const isPicture = intAttribute(node, 'axis', 0) === 1 && parts.every(({ shape }) => shape.length === 4);
  return isPicture && parts.every(({ shape }) => at(shape, 1) % BLOCK === 0) ? parts : undefined;
}

/** The parts of a node's output, computed from those of its inputs; undefined where one depends on another. */
function partsOf(g: GraphBuilder, node: Node, inputs: readonly (Parts | undefined)[]): Parts | undefined {
  const [output] = node.outputs as [Value];
  const parts = inputs.find((input) => input !== undefined);
  if (!parts) return undefined;
  const emit = (of: (index: number) => readonly Value[]) =>
    parts.map((_, index) => at(g.emit(node.op as 'Mul', of(index), node.attributes), 0));
  switch (node.op) {
    case 'Reshape':
      return reshaped(parts, node, output.shape);
    case 'Sigmoid':
      return emit((index) => [at(parts, index)]);
    case 'LayerNormalization': {
      const [, scale, bias] = node.inputs;
      const isInside =
        [-1, output.shape.length - 1].includes(intAttribute(node, 'axis', -1)) && output.shape.length > 2;
      return isInside && scale
        ? emit((index) => [at(parts, index), scale, ...(bias ? [bias] : [])])
        : undefined;
    }
    case 'InstanceNormalization': {
      const [scales, biases] = node.inputs.slice(1).map((input) => stretches(g, input, 0, parts));
      return scales && biases && emit((index) => [at(parts, index), at(scales, index), at(biases, index)]);
    }
    case 'Add':
    case 'Mul': {
      const rank = output.shape.length;
      const operands = node.inputs.map(
        (input, index) => inputs[index] ?? stretches(g, input, (input?.shape.length ?? 0) - rank + 1, parts),
      );
      const [left, right] = operands;
      return left && right && emit((index) => [at(left, index), at(right, index)]);
    }
    default:
      return undefined;
  }
}

/** Parts stay stretches of memory in every sample, wherever whole channels or groups fit into them. */
function reshaped(parts: Parts, node: Node, shape: readonly number[]): Parts | undefined {
  const [from, [batch, size, ...others]] = [
    at(node.inputs, 0)?.shape ?? [],
    shape as [number, number, ...number[]],
  ];
  const sizes = parts.map((part) => (at(part.shape, 1) * size) / at(from, 1));
  if (from[0] !== batch || !sizes.every(Number.isInteger)) return undefined;
  return parts.map((part, index) => part.reshape([batch, at(sizes, index), ...others]));
}

/** The stretches of a constant that belong to parts; `axis` is its axis of channels. */
function stretches(g: GraphBuilder, value: Value | undefined, axis: number, parts: Parts): Parts | undefined {
  if (!value || !g.initializers.has(value.name)) return undefined;
  const whole = g.expression(value);
  if (axis < 0 || at(value.shape, axis) === 1) return parts.map(() => whole);
  return whole.split(
    parts.map(({ shape }) => at(shape, 1)),
    axis,
  );
}

function sumOfConvolutions(g: GraphBuilder, node: Node, parts: Parts): Value | undefined {
  const [, weight, bias] = node.inputs;
  const { groups } = windowOf(node, weight?.shape.slice(2) ?? []);
  const kernels = groups === 1 ? stretches(g, weight, 1, parts) : undefined;
  const sums = kernels?.map((kernel, index) => {
    const added = index === 0 && bias ? [bias] : [];
    return at(g.emit('Conv', [at(parts, index), kernel, ...added], node.attributes), 0);
  });
  return sums?.reduce((sum, part) => sum.add(part));
}
