/** @file Operators that move elements without computing. */

import { int64 } from '../../tensor.js';
import type { Value } from '../graph.js';
import { int, ints } from '../graph.js';
import type { GraphBuilder } from './builder.js';

const first = (values: Value[]): Value => values[0] as Value;

/** Reshape; 0 keeps an axis of the input, -1 takes what is left. */
export const reshape = (g: GraphBuilder, x: Value, shape: readonly number[]) =>
  first(g.emit('Reshape', [x, g.constant(int64(shape))]));
export const transpose = (g: GraphBuilder, x: Value, order: readonly number[]) =>
  first(g.emit('Transpose', [x], { perm: ints(order) }));
export const expand = (g: GraphBuilder, x: Value, shape: readonly number[]) =>
  first(g.emit('Expand', [x, g.constant(int64(shape))]));
export const squeeze = (g: GraphBuilder, x: Value, axes: readonly number[]) =>
  first(g.emit('Squeeze', [x, g.constant(int64(axes))]));
export const unsqueeze = (g: GraphBuilder, x: Value, axes: readonly number[]) =>
  first(g.emit('Unsqueeze', [x, g.constant(int64(axes))]));
export const concat = (g: GraphBuilder, parts: readonly Value[], axis: number) =>
  first(g.emit('Concat', parts, { axis: int(axis) }));
export const split = (g: GraphBuilder, x: Value, sizes: readonly number[], axis: number) =>
  g.emit('Split', [x, g.constant(int64(sizes))], { axis: int(axis) });
export const gather = (g: GraphBuilder, x: Value, indices: Value, axis = 0) =>
  first(g.emit('Gather', [x, indices], { axis: int(axis) }));
export const tile = (g: GraphBuilder, x: Value, repeats: readonly number[]) =>
  first(g.emit('Tile', [x, g.constant(int64(repeats))]));
export const scatterAdd = (g: GraphBuilder, x: Value, indices: Value, updates: Value) =>
  first(g.emit('ScatterND', [x, indices, updates], { reduction: { kind: 'string', value: 'add' } }));

export interface SliceBounds {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly axes: readonly number[];
  readonly steps?: readonly number[];
}

/** Slice along some axes; a step of -1 with end -(size + 1) flips an axis. */
export function slice(g: GraphBuilder, x: Value, { starts, ends, axes, steps }: SliceBounds): Value {
  const bounds = [starts, ends, axes, ...(steps ? [steps] : [])].map((list) => g.constant(int64(list)));
  return first(g.emit('Slice', [x, ...bounds]));
}

/** Reverses the order along axes. */
export const flip = (g: GraphBuilder, x: Value, axes: readonly number[]) =>
  slice(g, x, {
    starts: axes.map(() => -1),
    ends: axes.map((axis) => -(x.shape[axis] ?? 0) - 1),
    axes,
    steps: axes.map(() => -1),
  });

/** Zeros around; `pads` holds the begins of every axis, then the ends. */
export function pad(g: GraphBuilder, x: Value, pads: readonly number[]): Value {
  if (pads.every((size) => size === 0)) return x;
  return first(g.emit('Pad', [x, g.constant(int64(pads)), g.scalar(0)]));
}
