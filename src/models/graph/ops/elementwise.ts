/** @file Elementwise operators, with NumPy broadcasting where they take several inputs. */

import type { ElementType } from '../../tensor.js';
import type { Value } from '../graph.js';
import { float, int } from '../graph.js';
import type { OpName } from '../op-names.js';
import type { GraphBuilder } from './builder.js';

const CAST_CODES: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
};

const one = (g: GraphBuilder, op: OpName, inputs: readonly (Value | undefined)[], attributes = {}): Value => {
  const [output] = g.emit(op, inputs, attributes) as [Value];
  return output;
};

export const abs = (g: GraphBuilder, x: Value) => one(g, 'Abs', [x]);
export const cos = (g: GraphBuilder, x: Value) => one(g, 'Cos', [x]);
export const erf = (g: GraphBuilder, x: Value) => one(g, 'Erf', [x]);
export const exp = (g: GraphBuilder, x: Value) => one(g, 'Exp', [x]);
export const identity = (g: GraphBuilder, x: Value) => one(g, 'Identity', [x]);
export const log = (g: GraphBuilder, x: Value) => one(g, 'Log', [x]);
export const neg = (g: GraphBuilder, x: Value) => one(g, 'Neg', [x]);
export const not = (g: GraphBuilder, x: Value) => one(g, 'Not', [x]);
export const reciprocal = (g: GraphBuilder, x: Value) => one(g, 'Reciprocal', [x]);
export const relu = (g: GraphBuilder, x: Value) => one(g, 'Relu', [x]);
export const sigmoid = (g: GraphBuilder, x: Value) => one(g, 'Sigmoid', [x]);
export const sin = (g: GraphBuilder, x: Value) => one(g, 'Sin', [x]);
export const softplus = (g: GraphBuilder, x: Value) => one(g, 'Softplus', [x]);
export const sqrt = (g: GraphBuilder, x: Value) => one(g, 'Sqrt', [x]);
export const tanh = (g: GraphBuilder, x: Value) => one(g, 'Tanh', [x]);
export const gelu = (g: GraphBuilder, x: Value) => one(g, 'Gelu', [x]);
export const leakyRelu = (g: GraphBuilder, x: Value, slope: number) =>
  one(g, 'LeakyRelu', [x], { alpha: float(slope) });

/** SiLU (swish): x · sigmoid(x). Exporters write it as these two nodes. */
export const silu = (g: GraphBuilder, x: Value) => mul(g, x, sigmoid(g, x));
/** x clipped to [low, high]; either bound may be absent. */
export const clip = (g: GraphBuilder, x: Value, low?: number, high?: number) =>
  one(g, 'Clip', [
    x,
    low === undefined ? undefined : g.scalar(low),
    high === undefined ? undefined : g.scalar(high),
  ]);
/** x as another element type. */
export const cast = (g: GraphBuilder, x: Value, type: ElementType) =>
  one(g, 'Cast', [x], { to: int(CAST_CODES[type]) });

export const add = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Add', [x, y]);
export const sub = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Sub', [x, y]);
export const mul = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Mul', [x, y]);
export const div = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Div', [x, y]);
export const pow = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Pow', [x, y]);
export const min = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Min', [x, y]);
export const max = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Max', [x, y]);
export const equal = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Equal', [x, y]);
export const greater = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Greater', [x, y]);
export const less = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Less', [x, y]);
export const or = (g: GraphBuilder, x: Value, y: Value) => one(g, 'Or', [x, y]);
export const and = (g: GraphBuilder, x: Value, y: Value) => one(g, 'And', [x, y]);
/** Element by element: `yes` where the condition holds, else `no`. */
export const where = (g: GraphBuilder, condition: Value, yes: Value, no: Value) =>
  one(g, 'Where', [condition, yes, no]);
