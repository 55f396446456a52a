/** @file Shape arithmetic of operators that move elements. */

import { elementCount } from '../../tensor.js';
import type { Application, OutputType } from '../application.js';
import { broadcastShapes, constantIntegers, mismatch, operand, positiveAxis } from '../application.js';
import { formatShape, intAttribute, intsAttribute } from '../graph.js';

/** 0 keeps an axis of the input, -1 takes what is left. */
export function reshape(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const wanted = (constantIntegers(node, 1) ?? []).map((size, axis) =>
    size === 0 ? (shape[axis] ?? 1) : size,
  );
  const count = elementCount(shape);
  const known = wanted.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const result = wanted.map((size) => (size === -1 ? count / known : size));
  if (elementCount(result) !== count || result.some((size) => !Number.isInteger(size))) {
    mismatch(node, `as many elements as ${formatShape(wanted)} has`);
  }
  return [{ type, shape: result }];
}

/** Starts and ends count from the end where negative, and are clamped to the axis. */
export function slice(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const starts = constantIntegers(node, 1) ?? [];
  const ends = constantIntegers(node, 2) ?? [];
  const axes = constantIntegers(node, 3) ?? starts.map((_, axis) => axis);
  const steps = constantIntegers(node, 4) ?? starts.map(() => 1);
  const result = [...shape];
  axes.forEach((given, index) => {
    const axis = positiveAxis(given, shape.length);
    const size = shape[axis] ?? 0;
    const step = steps[index] ?? 1;
    const clamp = (position: number, low: number, high: number) =>
      Math.min(Math.max(position < 0 ? position + size : position, low), high);
    const start = clamp(starts[index] ?? 0, 0, step > 0 ? size : size - 1);
    const end = step > 0 ? clamp(ends[index] ?? size, 0, size) : clamp(ends[index] ?? size, -1, size - 1);
    result[axis] = Math.max(0, Math.ceil((end - start) / step));
  });
  return [{ type, shape: result }];
}

/** Parts side by side along one axis. */
export function concat(node: Application): OutputType[] {
  const first = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 0), first.shape.length);
  const fits = node.inputs.every(
    (input) =>
      input?.shape.length === first.shape.length &&
      input.shape.every((size, i) => i === axis || size === first.shape[i]),
  );
  if (!fits) mismatch(node, `equal shapes apart from axis ${axis}`);
  const total = node.inputs.reduce((sum, input) => sum + (input?.shape[axis] ?? 0), 0);
  return [{ type: first.type, shape: first.shape.map((size, i) => (i === axis ? total : size)) }];
}

/** The inverse of concat: given sizes, or equal parts of which the last may be smaller. */
export function split(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 0), shape.length);
  const size = shape[axis] ?? 0;
  const parts = intAttribute(node, 'num_outputs', 0);
  const chunk = Math.ceil(size / parts);
  const sizes =
    constantIntegers(node, 1) ?? Array.from({ length: parts }, (_, i) => Math.min(chunk, size - i * chunk));
  if (sizes.reduce((sum, part) => sum + part, 0) !== size) mismatch(node, `parts that add up to ${size}`);
  return sizes.map((part) => ({ type, shape: shape.map((whole, i) => (i === axis ? part : whole)) }));
}

/** The indexed axis gives way to the axes of the indices. */
export function gather(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 0), shape.length);
  return [{ type, shape: [...shape.slice(0, axis), ...operand(node, 1).shape, ...shape.slice(axis + 1)] }];
}

/** Begins of every (given) axis, then ends. */
export function pad(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const pads = constantIntegers(node, 1) ?? [];
  const axes = (constantIntegers(node, 3) ?? shape.map((_, axis) => axis)).map((axis) =>
    positiveAxis(axis, shape.length),
  );
  const result = [...shape];
  axes.forEach((axis, index) => {
    result[axis] = (shape[axis] ?? 0) + (pads[index] ?? 0) + (pads[index + axes.length] ?? 0);
  });
  return [{ type, shape: result }];
}

/** Without the given axes of size 1, or without all of them. */
export function squeeze(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const axes =
    constantIntegers(node, 1)?.map((axis) => positiveAxis(axis, shape.length)) ??
    shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  return [{ type, shape: shape.filter((_, axis) => !axes.includes(axis)) }];
}

/** With new axes of size 1; the axes are those of the output. */
export function unsqueeze(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const rank = shape.length + (constantIntegers(node, 1) ?? []).length;
  const axes = (constantIntegers(node, 1) ?? []).map((axis) => positiveAxis(axis, rank));
  const rest = [...shape];
  return [
    {
      type,
      shape: Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : (rest.shift() ?? 1))),
    },
  ];
}

/** Axes in the order of perm, reversed without one. */
export function transpose(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const order = intsAttribute(node, 'perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (order.length !== shape.length) mismatch(node, `a permutation of ${shape.length} axes`);
  return [{ type, shape: order.map((axis) => shape[axis] ?? 1) }];
}

/** Broadcasts to (at least) the given shape. */
export function expand(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const expanded = broadcastShapes(shape, constantIntegers(node, 1) ?? []);
  return [{ type, shape: expanded ?? mismatch(node, 'a shape that broadcasts') }];
}

/** Two axes: those before `axis`, and the rest. */
export function flatten(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const axis = positiveAxis(intAttribute(node, 'axis', 1), shape.length);
  return [{ type, shape: [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))] }];
}

/** Copies side by side along every axis. */
export function tile(node: Application): OutputType[] {
  const { type, shape } = operand(node);
  const repeats = constantIntegers(node, 1) ?? [];
  return [{ type, shape: shape.map((size, axis) => size * (repeats[axis] ?? 1)) }];
}
