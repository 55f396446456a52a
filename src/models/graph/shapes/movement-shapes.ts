/** @file Output shapes of operators that move elements. */

import { at } from '../../../at.js';
import { elementCount } from '../../tensor.js';
import {
  type Application,
  broadcastShapes,
  constantIntegers,
  mismatch,
  type OutputType,
  operand,
  positiveAxis,
} from '../application.js';
import { formatShape, intAttribute, intsAttribute } from '../graph.js';

/** The integers of a constant input that must be present. */
const requiredIntegers = (node: Application, index: number): number[] =>
  constantIntegers(node, index) ?? mismatch(node, `an input at position ${index}`);

/** 0 keeps an axis of the input, -1 takes the remaining elements. */
export function reshape(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const wanted = requiredIntegers(node, 1).map((size, axis) => (size === 0 ? at(shape, axis) : size));
  const count = elementCount(shape);
  const known = wanted.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const result = wanted.map((size) => (size === -1 ? count / known : size));
  if (elementCount(result) !== count || result.some((size) => !Number.isInteger(size))) {
    mismatch(node, `as many elements as ${formatShape(wanted)} has`);
  }
  return [{ type, shape: result }];
}

/**
 * The first position of a slice along an axis of `size`, and how many elements it has. Negative starts and ends count from the
 * end; both are clamped to the axis.
 */
export function sliceRange(
  start: number,
  end: number,
  step: number,
  size: number,
): { readonly start: number; readonly count: number } {
  const clamp = (position: number, low: number, high: number) =>
    Math.min(Math.max(position < 0 ? position + size : position, low), high);
  const first = clamp(start, 0, step > 0 ? size : size - 1);
  const last = step > 0 ? clamp(end, 0, size) : clamp(end, -1, size - 1);
  return { start: first, count: Math.max(0, Math.ceil((last - first) / step)) };
}

export function slice(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const [starts, ends] = [requiredIntegers(node, 1), requiredIntegers(node, 2)];
  const axes = constantIntegers(node, 3) ?? starts.map((_, axis) => axis);
  const steps = constantIntegers(node, 4) ?? starts.map(() => 1);
  const result = [...shape];
  axes.forEach((given, index) => {
    const axis = positiveAxis(given, shape.length);
    result[axis] = sliceRange(at(starts, index), at(ends, index), at(steps, index), at(shape, axis)).count;
  });
  return [{ type, shape: result }];
}

/** Joins along one axis. */
export function concat(node: Application): OutputType[] {
  const first = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 0), first.shape.length);
  const shapes = node.inputs.map((_, index) => operand(node, index).shape);
  const fits = shapes.every(
    (shape) =>
      shape.length === first.shape.length && shape.every((size, i) => i === axis || size === first.shape[i]),
  );
  if (!fits) mismatch(node, `equal shapes apart from axis ${axis}`);
  const total = shapes.reduce((sum, shape) => sum + at(shape, axis), 0);
  return [{ type: first.type, shape: first.shape.map((size, i) => (i === axis ? total : size)) }];
}

/** Splits into parts of given sizes, or into equal parts, where the last may be smaller. */
export function split(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 0), shape.length);
  const size = at(shape, axis);
  const parts = intAttribute(node, 'num_outputs', 0);
  const chunk = Math.ceil(size / parts);
  const sizes =
    constantIntegers(node, 1) ?? Array.from({ length: parts }, (_, i) => Math.min(chunk, size - i * chunk));
  if (sizes.reduce((sum, part) => sum + part, 0) !== size) mismatch(node, `parts that add up to ${size}`);
  return sizes.map((part) => ({ type, shape: shape.map((whole, i) => (i === axis ? part : whole)) }));
}

/** The axes of the indices replace the indexed axis. */
export function gather(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 0), shape.length);
  return [{ type, shape: [...shape.slice(0, axis), ...operand(node, 1).shape, ...shape.slice(axis + 1)] }];
}

/** Pads hold all begins of the (given) axes, then all ends. */
export function pad(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const pads = requiredIntegers(node, 1);
  const axes = (constantIntegers(node, 3) ?? shape.map((_, axis) => axis)).map((axis) =>
    positiveAxis(axis, shape.length),
  );
  const result = [...shape];
  axes.forEach((axis, index) => {
    result[axis] = at(shape, axis) + at(pads, index) + at(pads, index + axes.length);
  });
  return [{ type, shape: result }];
}

/** Removes the given axes of size 1, or all of them. */
export function squeeze(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const axes =
    constantIntegers(node, 1)?.map((axis) => positiveAxis(axis, shape.length)) ??
    shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  return [{ type, shape: shape.filter((_, axis) => !axes.includes(axis)) }];
}

/** Inserts axes of size 1; the axes are counted in the output. */
export function unsqueeze(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const given = requiredIntegers(node, 1);
  const rank = shape.length + given.length;
  const result = [...shape];
  for (const axis of given.map((axis) => positiveAxis(axis, rank)).sort((a, b) => a - b))
    result.splice(axis, 0, 1);
  return [{ type, shape: result }];
}

/** Axes in the order of `perm`; in reverse order without one. */
export function transpose(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const order = intsAttribute(node, 'perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (order.length !== shape.length) mismatch(node, `a permutation of ${shape.length} axes`);
  return [{ type, shape: order.map((axis) => at(shape, axis)) }];
}

/** Broadcasts the input and the given shape. */
export function expand(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const expanded = broadcastShapes(shape, requiredIntegers(node, 1));
  return [{ type, shape: expanded ?? mismatch(node, 'a shape that broadcasts') }];
}

/** Merges the axes before `axis` into one, and the rest into another. */
export function flatten(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 1), shape.length);
  return [{ type, shape: [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))] }];
}

/** Repeats along every axis. */
export function tile(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const repeats = requiredIntegers(node, 1);
  return [{ type, shape: shape.map((size, axis) => size * at(repeats, axis)) }];
}
