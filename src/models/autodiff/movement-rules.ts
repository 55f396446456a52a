/** @file Gradients of operators that move elements: the inverse movement, or a sum where one element went to many places. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { positiveAxis } from '../graph/application.js';
import type { Node } from '../graph/graph.js';
import { intAttribute, intsAttribute, textAttribute } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import { concat, type Expression } from '../graph/ops/expression.js';
import { elementCount, filled, int64, toIntegers } from '../tensor.js';
import { rule, unary } from './rule.js';

/** The axis that a node names, counted from the front. */
const axisOf = (node: Node, { shape }: Expression) =>
  positiveAxis(intAttribute(node, 'axis', 0), shape.length);

const asInt64 = (indices: Expression) => (indices.type === 'int64' ? indices : indices.cast('int64'));

export const transposeRule = unary(({ dy, x, node }) => {
  const order = intsAttribute(node, 'perm') ?? [...x.shape.keys()].reverse();
  return dy.transpose(order.map((_, axis) => order.indexOf(axis)));
});

export const concatRule = rule<readonly Expression[]>(({ dy, inputs, node }) => {
  const axis = axisOf(node, dy);
  const sizes = inputs.map(({ shape }) => at(shape, axis));
  return dy.split(sizes, axis).map((part) => () => part);
});

/** Zeros stand for parts that the loss does not use. */
export const splitRule = unary(({ g, outputGradients, outputs, y, node }) => {
  const parts = outputs.map(({ shape }, index) => outputGradients[index] ?? g.constant(filled(0, shape)));
  return concat(parts, axisOf(node, y));
});

/** The numbers of an input: axes, pads and the like. */
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

/** With steps of 1 a Pad; else dy goes to its places by ScatterND. */
export const sliceRule = unary(({ g, dy, x, node }) => {
  const rank = x.shape.length;
  const starts = integers(g, node, 1) ?? [];
  const axes = integers(g, node, 3)?.map((axis) => positiveAxis(axis, rank)) ?? [...starts.keys()];
  const steps = integers(g, node, 4) ?? starts.map(() => 1);
  const begins = x.shape.map(() => 0);
  axes.forEach((axis, index) => {
    const [size, start] = [at(x.shape, axis), at(starts, index)];
    const last = at(steps, index) > 0 ? size : size - 1;
    begins[axis] = Math.min(Math.max(start < 0 ? start + size : start, 0), last);
  });
  if (steps.every((step) => step === 1)) {
    const ends = x.shape.map((size, axis) => size - at(begins, axis) - at(dy.shape, axis));
    return dy.pad([...begins, ...ends]);
  }
  return axes.reduce((dx, axis, index) => {
    const places = Array.from(
      { length: at(dy.shape, axis) },
      (_, i) => at(begins, axis) + i * at(steps, index),
    );
    return scatterAlong(dx, g.constant(int64(places)), axis, at(x.shape, axis));
  }, dy);
});

/** Adds the slices of `updates` along `axis` into zeros of the given size, at `places` [n]. */
function scatterAlong(updates: Expression, places: Expression, axis: number, size: number): Expression {
  const order = [...updates.shape.keys()];
  const toFront = [axis, ...order.filter((other) => other !== axis)];
  const front = axis === 0 ? updates : updates.transpose(toFront);
  const zeros = updates.graph.constant(filled(0, [size, ...front.shape.slice(1)]));
  const sums = zeros.scatterAdd(places.reshape([-1, 1]), front);
  return axis === 0 ? sums : sums.transpose(order.map((other) => toFront.indexOf(other)));
}

type Indexed = readonly [x: Expression, indices: Expression];

export const gatherRule = rule<Indexed>(({ dy, inputs: [x, indices], node }) => {
  const dx = () => {
    const axis = axisOf(node, x);
    const count = elementCount(indices.shape);
    const updates = dy.reshape([...x.shape.slice(0, axis), count, ...x.shape.slice(axis + 1)]);
    return scatterAlong(updates, asInt64(indices).reshape([count]), axis, at(x.shape, axis));
  };
  return [dx];
});

/** The flat place in x of each element of dy is a sum of its index, which if negative counts from the end, and a constant. */
export const gatherElementsRule = rule<Indexed>(({ g, dy, inputs: [x, indices], node }) => {
  const dx = () => {
    const axis = axisOf(node, x);
    const along = (number: number) => g.constant(int64([number], [1]));
    const index = asInt64(indices);
    const fromFront = index.less(along(0)).where(index.add(along(at(x.shape, axis))), index);
    const scaled = fromFront.mul(along(elementCount(x.shape.slice(axis + 1))));
    const others = g.constant(int64(offsets(x.shape, indices.shape, axis), indices.shape));
    const places = scaled.add(others).reshape([-1, 1]);
    const zeros = g.constant(filled(0, [elementCount(x.shape)]));
    return zeros.scatterAdd(places, dy.reshape([-1])).reshape(x.shape);
  };
  return [dx];
});

/** What the position of each index on the other axes adds to a flat place in x. */
function offsets(shape: readonly number[], indices: readonly number[], axis: number): number[] {
  return Array.from({ length: elementCount(indices) }, (_, flat) => {
    let [rest, offset, stride] = [flat, 0, 1];
    for (let i = shape.length - 1; i >= 0; i--) {
      const size = at(indices, i);
      if (i !== axis) offset += (rest % size) * stride;
      rest = Math.floor(rest / size);
      stride *= at(shape, i);
    }
    return offset;
  });
}

export const scatterNdRule = rule<readonly [base: Expression, indices: Expression, updates: Expression]>(
  ({ dy, inputs: [, indices], node }) => {
    const reduction = textAttribute(node, 'reduction', 'none');
    if (reduction !== 'add' || indices.shape.at(-1) !== 1) {
      throw new TributaryError(
        'TRIB_NO_GRADIENT',
        `ScatterND "${node.name}": expected reduction add along the first axis, got reduction ${reduction}. Export the model with other operators.`,
      );
    }
    const places = indices.reshape(indices.shape.slice(0, -1));
    return [() => dy, undefined, () => dy.gather(places)];
  },
);

/** Zeros where a negative pad cropped. */
export const padRule = unary(({ g, dy, x, node }) => {
  const mode = textAttribute(node, 'mode', 'constant');
  if (mode !== 'constant') {
    throw new TributaryError(
      'TRIB_NO_GRADIENT',
      `Pad "${node.name}": expected mode constant, got ${mode}. Export the model with zero padding.`,
    );
  }
  const rank = x.shape.length;
  const pads = integers(g, node, 1) ?? [];
  const axes = integers(g, node, 3)?.map((axis) => positiveAxis(axis, rank)) ?? [...x.shape.keys()];
  const starts = axes.map((_, index) => at(pads, index));
  if (pads.some((size) => size < 0)) {
    const inverse = [...x.shape, ...x.shape].map(() => 0);
    axes.forEach((axis, index) => {
      inverse[axis] = -at(starts, index);
      inverse[axis + rank] = -at(pads, index + axes.length);
    });
    return dy.pad(inverse);
  }
  return dy.slice({ starts, ends: axes.map((axis, index) => at(starts, index) + at(x.shape, axis)), axes });
});

export const tileRule = unary(({ dy, x }) => {
  const copies = x.shape.flatMap((size, axis) => [at(dy.shape, axis) / size, size]);
  const sums = dy.reshape(copies).reduceSum(x.shape.map((_, axis) => 2 * axis));
  return sums.reshape(x.shape);
});
