/** @file Reductions and operators along an axis. Reductions keep their axes (size 1) unless told otherwise. */

import { int64 } from '../../tensor.js';
import type { Value } from '../graph.js';
import { int } from '../graph.js';
import type { GraphBuilder } from './builder.js';

type Reduction = 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin' | 'ReduceSumSquare';

function reduce(g: GraphBuilder, op: Reduction, x: Value, axes: readonly number[], keepAxes: boolean): Value {
  const [output] = g.emit(op, [x, g.constant(int64(axes))], { keepdims: int(keepAxes ? 1 : 0) }) as [Value];
  return output;
}

export const reduceSum = (g: GraphBuilder, x: Value, axes: readonly number[], keepAxes = true) =>
  reduce(g, 'ReduceSum', x, axes, keepAxes);
export const reduceMean = (g: GraphBuilder, x: Value, axes: readonly number[], keepAxes = true) =>
  reduce(g, 'ReduceMean', x, axes, keepAxes);
export const reduceMax = (g: GraphBuilder, x: Value, axes: readonly number[], keepAxes = true) =>
  reduce(g, 'ReduceMax', x, axes, keepAxes);
export const reduceMin = (g: GraphBuilder, x: Value, axes: readonly number[], keepAxes = true) =>
  reduce(g, 'ReduceMin', x, axes, keepAxes);

/** Sum over every axis: a scalar. */
export const sumAll = (g: GraphBuilder, x: Value) =>
  x.shape.length === 0
    ? x
    : reduceSum(
        g,
        x,
        x.shape.map((_, axis) => axis),
        false,
      );

/** Mean over every axis: a scalar. */
export const meanAll = (g: GraphBuilder, x: Value) =>
  x.shape.length === 0
    ? x
    : reduceMean(
        g,
        x,
        x.shape.map((_, axis) => axis),
        false,
      );

export function softmax(g: GraphBuilder, x: Value, axis = -1): Value {
  const [output] = g.emit('Softmax', [x], { axis: int(axis) }) as [Value];
  return output;
}

export function logSoftmax(g: GraphBuilder, x: Value, axis = -1): Value {
  const [output] = g.emit('LogSoftmax', [x], { axis: int(axis) }) as [Value];
  return output;
}
