/** @file Gradients of operators that move elements: the inverse movement, or a sum where one element went to many places. */

import { TributaryError } from '../../errors.js';
import type { Node } from '../graph/graph.js';
import { intAttribute, intsAttribute, textAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import { concat, type Expression } from '../graph/ops/expression.js';
import { elementCount, float32, int64, toIntegers } from '../tensor.js';
import { rule, unary } from './rule.js';

function integers(g: GraphBuilder, node: Node, input: number): number[] | undefined {
  const value = node.inputs[input];
  if (value === undefined) return undefined;
  const constant = g.initializers.get(value.name);
  if (constant) return toIntegers(constant);
  throw new TributaryError(
    'TRIB_NO_GRADIENT',
    `${node.op} "${node.name}": expected a constant at input ${input}, got a computed one. Fix the model's input sizes.`,
  );
}

const zeros = (g: GraphBuilder, shape: readonly number[]) =>
  g.constant(float32(new Float32Array(elementCount(shape)), shape));
const positive = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

/** Reshape, Flatten, Squeeze, Unsqueeze: the input's shape again. */
export const reshapeLikeRule = unary(({ dy, x0 }) => dy.reshape(x0.shape));

/** The inverse permutation. */
export const transposeRule = unary(({ dy, x0, node }) => {
  const order = intsAttribute(node, 'perm') ?? x0.shape.map((_, axis) => x0.shape.length - 1 - axis);
  return dy.transpose(order.map((_, axis) => order.indexOf(axis)));
});

/** Expand broadcasts; the driver sums it back. */
export const expandRule = unary(({ dy }) => dy);

/** Concat: every part takes its stretch of dy. */
export const concatRule = rule(({ dy, x, node }) => {
  const axis = positive(intAttribute(node, 'axis', 0), dy.shape.length);
  return dy.split(
    x.map((part) => part.shape[axis] ?? 0),
    axis,
  );
});

/** Split: the parts' gradients side by side, zeros for parts that the loss does not use. */
export const splitRule = rule(({ g, upstreams, y, node }) => {
  const axis = positive(intAttribute(node, 'axis', 0), y[0]?.shape.length ?? 1);
  return [
    concat(
      y.map((part, index) => upstreams[index] ?? zeros(g, part.shape)),
      axis,
    ),
  ];
});

/** Slice: dy among zeros. With steps of 1 a Pad; else dy goes to its places by ScatterND. */
export const sliceRule = rule(({ g, dy, x: [x], node }) => {
  if (!x) return [];
  const starts = integers(g, node, 1) ?? [];
  const axes = (integers(g, node, 3) ?? starts.map((_, axis) => axis)).map((axis) =>
    positive(axis, x.shape.length),
  );
  const steps = integers(g, node, 4) ?? starts.map(() => 1);
  const begins = x.shape.map(() => 0);
  axes.forEach((axis, index) => {
    const size = x.shape[axis] ?? 0;
    const start = starts[index] ?? 0;
    begins[axis] = Math.min(
      Math.max(start < 0 ? start + size : start, 0),
      (steps[index] ?? 1) > 0 ? size : size - 1,
    );
  });
  if (steps.every((step) => step === 1)) {
    return [
      dy.pad([...begins, ...x.shape.map((size, axis) => size - (begins[axis] ?? 0) - (dy.shape[axis] ?? 0))]),
    ];
  }
  let dx = dy;
  axes.forEach((axis, index) => {
    const positions = Array.from(
      { length: dy.shape[axis] ?? 0 },
      (_, i) => (begins[axis] ?? 0) + i * (steps[index] ?? 1),
    );
    dx = scatterAlong(g, dx, g.constant(int64(positions)), axis, x.shape[axis] ?? 0);
  });
  return [dx];
});

/** Gather along an axis: dy is added up at the places it came from (an index may occur often). */
export const gatherRule = rule(({ g, dy, x: [x, indices], node }) => {
  if (!x || !indices) return [];
  const axis = positive(intAttribute(node, 'axis', 0), x.shape.length);
  const count = elementCount(indices.shape);
  const flat = dy.reshape([...x.shape.slice(0, axis), count, ...x.shape.slice(axis + 1)]);
  const positions = (indices.type === 'int64' ? indices : indices.cast('int64')).reshape([count]);
  return [scatterAlong(g, flat, positions, axis, x.shape[axis] ?? 0), undefined];
});

/** Adds the slices of `updates` along `axis` into zeros of the given size, at `positions` [n]. */
function scatterAlong(
  g: GraphBuilder,
  updates: Expression,
  positions: Expression,
  axis: number,
  size: number,
): Expression {
  const order = updates.shape.map((_, i) => i);
  const toFront = [axis, ...order.filter((i) => i !== axis)];
  const front = axis === 0 ? updates : updates.transpose(toFront);
  const scattered = zeros(g, [size, ...front.shape.slice(1)]).scatterAdd(positions.reshape([-1, 1]), front);
  if (axis === 0) return scattered;
  return scattered.transpose(order.map((i) => toFront.indexOf(i)));
}

/** GatherElements: dy is added up at (…, index, …); an index below 0 counts from the end. The flat position of every element is made of the index and a constant. */
export const gatherElementsRule = rule(({ g, dy, x: [x, indices], node }) => {
  if (!x || !indices) return [];
  const axis = positive(intAttribute(node, 'axis', 0), x.shape.length);
  const stride = elementCount(x.shape.slice(axis + 1));
  const offsets = Array.from({ length: elementCount(indices.shape) }, (_, flat) => {
    let [rest, offset, scale] = [flat, 0, 1];
    for (let i = x.shape.length - 1; i >= 0; i--) {
      const size = indices.shape[i] ?? 1;
      if (i !== axis) offset += (rest % size) * scale;
      rest = Math.floor(rest / size);
      scale *= x.shape[i] ?? 1;
    }
    return offset;
  });
  const wide = indices.type === 'int64' ? indices : indices.cast('int64');
  const size = x.shape[axis] ?? 0;
  const fromFront = wide
    .less(g.constant(int64([0], [1])))
    .where(wide.add(g.constant(int64([size], [1]))), wide);
  const scaled = fromFront.mul(g.constant(int64([stride], [1])));
  const places = scaled.add(g.constant(int64(offsets, indices.shape))).reshape([-1, 1]);
  const summed = zeros(g, [elementCount(x.shape)]).scatterAdd(places, dy.reshape([-1]));
  return [summed.reshape(x.shape), undefined];
});

/** ScatterND: with reduction add the base keeps dy; without, it loses it where it was overwritten. Updates take dy from their places. */
export const scatterNdRule = rule(({ dy, x: [base, indices, updates], node, wants }) => {
  if (!base || !indices || !updates) return [];
  const reduction = textAttribute(node, 'reduction', 'none');
  if (reduction !== 'add' || indices.shape.at(-1) !== 1) {
    throw new TributaryError(
      'TRIB_NO_GRADIENT',
      `ScatterND "${node.name}": expected reduction add along the first axis, got reduction ${reduction}. Export the model with other operators.`,
    );
  }
  const positions = indices.reshape(indices.shape.slice(0, -1));
  return [wants(0) ? dy : undefined, undefined, wants(2) ? dy.gather(positions, 0) : undefined];
});

/** Pad with a constant: the inner part of dy, and zeros where a negative pad cropped. */
export const padRule = rule(({ g, dy, x: [x], node }) => {
  if (!x) return [];
  if (textAttribute(node, 'mode', 'constant') !== 'constant') {
    throw new TributaryError(
      'TRIB_NO_GRADIENT',
      `Pad "${node.name}": expected mode constant, got ${textAttribute(node, 'mode', '')}. Export the model with zero padding.`,
    );
  }
  const pads = integers(g, node, 1) ?? [];
  const axes = (integers(g, node, 3) ?? x.shape.map((_, axis) => axis)).map((axis) =>
    positive(axis, x.shape.length),
  );
  if (pads.some((size) => size < 0)) {
    const inverse = [...x.shape, ...x.shape].map(() => 0);
    axes.forEach((axis, index) => {
      inverse[axis] = -(pads[index] ?? 0);
      inverse[axis + x.shape.length] = -(pads[index + axes.length] ?? 0);
    });
    return [dy.pad(inverse)];
  }
  const starts = axes.map((_, index) => pads[index] ?? 0);
  return [
    dy.slice({
      starts,
      ends: axes.map((axis, index) => (starts[index] ?? 0) + (x.shape[axis] ?? 0)),
      axes,
    }),
  ];
});

/** Tile: the sum over the copies. */
export const tileRule = unary(({ dy, x0 }) => {
  const copies = x0.shape.flatMap((size, axis) => [(dy.shape[axis] ?? 1) / size, size]);
  const summed = dy.reshape(copies).reduceSum(x0.shape.map((_, axis) => 2 * axis));
  return summed.reshape(x0.shape);
});
