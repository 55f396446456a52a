/** @file A node that is about to be added, as shape rules see it, and what the rules share. */

import { TributaryError } from '../../errors.js';
import { type ElementType, type Tensor, toIntegers } from '../tensor.js';
import { type Attributes, formatShape, intAttribute, type Value } from './graph.js';
import type { OpName } from './op-names.js';

/** What a shape rule sees: the new node, and the values of its constant inputs. */
export interface Application {
  readonly name: string;
  readonly op: OpName;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly constants: readonly (Tensor | undefined)[];
}

export interface OutputType {
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** Throws the error of a shape rule, with the node's name and the shapes of its inputs. */
export function mismatch(node: Application, expected: string): never {
  const shapes = node.inputs.map((input) => (input ? formatShape(input.shape) : '-')).join(' x ');
  throw new TributaryError(
    'TRIB_GRAPH',
    `${node.op} "${node.name}": expected ${expected}, got ${shapes}. Check the shapes of its inputs.`,
  );
}

/** Input `index` of a node, which must be present. */
export function operand(node: Application, index = 0): Value {
  return node.inputs[index] ?? mismatch(node, `an input at position ${index}`);
}

/** The integers of a constant input (axes, shapes, pads); undefined if the optional input is absent. */
export function constantIntegers(node: Application, index: number): number[] | undefined {
  if (node.inputs[index] === undefined) return undefined;
  const constant = node.constants[index];
  return constant ? toIntegers(constant) : mismatch(node, `input ${index} to be a constant`);
}

/** An axis counted from the front. */
export function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The axes of a reduction: all of them if none are given, unless the node says that it then does nothing. */
export function reducedAxes(
  node: Pick<Application, 'attributes'>,
  rank: number,
  given: readonly number[] = [],
): number[] {
  if (given.length > 0) return given.map((axis) => positiveAxis(axis, rank));
  return intAttribute(node, 'noop_with_empty_axes', 0) === 1 ? [] : Array.from({ length: rank }, (_, i) => i);
}

/** The common shape of two operands by NumPy's rule of broadcasting; undefined if there is none. */
export function broadcastShapes(left: readonly number[], right: readonly number[]): number[] | undefined {
  const rank = Math.max(left.length, right.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const a = left[axis - rank + left.length] ?? 1;
    const b = right[axis - rank + right.length] ?? 1;
    if (a !== b && a !== 1 && b !== 1) return undefined;
    shape.push(a === 1 ? b : a);
  }
  return shape;
}
