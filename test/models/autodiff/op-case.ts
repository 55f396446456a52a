/** @file One application of an operator, small enough to be differentiated numerically, and the tensors it is fed. */

import type { OpName } from '../../../src/models/graph/op-names.js';
import type { Expression } from '../../../src/models/graph/ops/expression.js';
import type { ElementType, Tensor } from '../../../src/models/tensor.js';
import { elementCount } from '../../../src/models/tensor.js';

/** Returns numbers in [0, 1), the same ones for the same seed. */
export type Draw = () => number;

export interface InputSpec {
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** A frozen input gets no gradient; integers and truth values are always frozen. */
  readonly frozen: boolean;
  readonly fill: (draw: Draw) => Tensor;
}

export interface OpCase {
  /** The row under test. */
  readonly op: OpName;
  readonly name: string;
  readonly inputs: readonly InputSpec[];
  /** Emits the operator; the loss is a random weighting of what it returns. */
  readonly build: (x: readonly Expression[]) => readonly Expression[];
  /** Groups of inputs in which the operator is linear (and 0 at 0) while the others are held. */
  readonly linearIn: readonly (readonly number[])[];
}

type Build = (...x: Expression[]) => Expression | readonly Expression[];

function opCase(
  op: OpName,
  name: string,
  inputs: readonly InputSpec[],
  build: Build,
  linearIn: readonly (readonly number[])[],
): OpCase {
  return {
    op,
    name,
    inputs,
    linearIn,
    build: (x) => {
      const built = build(...x);
      return Array.isArray(built) ? (built as readonly Expression[]) : [built as Expression];
    },
  };
}

/** A case that is checked by central differences. */
export const smooth = (op: OpName, name: string, inputs: readonly InputSpec[], build: Build): OpCase =>
  opCase(op, name, inputs, build, []);

/** A case that is linear in its first input, or in the given groups of inputs: it is checked by dot products as well. */
export const linear = (
  op: OpName,
  name: string,
  inputs: readonly InputSpec[],
  build: Build,
  linearIn: readonly (readonly number[])[] = [[0]],
): OpCase => opCase(op, name, inputs, build, linearIn);

/** Uniform numbers of [low, high). */
export const real = (shape: readonly number[], low = -2, high = 2): InputSpec => ({
  type: 'float32',
  shape,
  frozen: false,
  fill: (draw) => ({
    type: 'float32',
    shape,
    data: Float32Array.from({ length: elementCount(shape) }, () => low + (high - low) * draw()),
  }),
});

/** These numbers. */
export const points = (values: readonly number[], shape: readonly number[] = [values.length]): InputSpec => ({
  type: 'float32',
  shape,
  frozen: false,
  fill: () => ({ type: 'float32', shape, data: Float32Array.from(values) }),
});

/** Multiples of a half plus an offset: two of them with other offsets never come near each other. */
export const stepped = (shape: readonly number[], offset: number): InputSpec => ({
  ...real(shape),
  fill: (draw) => ({
    type: 'float32',
    shape,
    data: Float32Array.from({ length: elementCount(shape) }, () => Math.floor(draw() * 9 - 4) * 0.5 + offset),
  }),
});

/** Numbers of which no two are nearer than 0.3, shuffled. */
export const distinct = (shape: readonly number[]): InputSpec => ({
  ...real(shape),
  fill: (draw) => {
    const order = Array.from({ length: elementCount(shape) }, (_, i) => ({ i, key: draw() })).sort(
      (a, b) => a.key - b.key,
    );
    return { type: 'float32', shape, data: Float32Array.from(order, ({ i }) => 0.3 * i - 1) };
  },
});

export const frozen = (input: InputSpec): InputSpec => ({ ...input, frozen: true });

/** These whole numbers. */
export const integers = (
  values: readonly number[],
  shape: readonly number[] = [values.length],
  type: 'int64' | 'int32' = 'int64',
): InputSpec => ({
  type,
  shape,
  frozen: true,
  fill: () =>
    type === 'int64'
      ? { type, shape, data: BigInt64Array.from(values, BigInt) }
      : { type, shape, data: Int32Array.from(values) },
});

/** These truth values, as 0 and 1. */
export const truths = (values: readonly number[], shape: readonly number[] = [values.length]): InputSpec => ({
  type: 'bool',
  shape,
  frozen: true,
  fill: () => ({ type: 'bool', shape, data: Uint8Array.from(values) }),
});
