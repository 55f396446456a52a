/**
 * @file Puts nodes that do not read each other in an order. A runtime orders nodes only by what they wait for, so a node that
 * should run later reads its input through a condition on the earlier one.
 */

import { concat, type Expression } from '../ops/expression.js';

/** A condition that is known as soon as all the values are, and no earlier. It is false if one is NaN (see `after`). */
export function hasArrived(...values: readonly [Expression, ...Expression[]]): Expression {
  const firsts = values.map((value) => value.reshape([-1]).slice({ starts: [0], ends: [1], axes: [0] }));
  const [only] = firsts as [Expression];
  const known = firsts.length === 1 ? only : concat(firsts, 0).reduceMax([0]);
  return known.equal(known);
}

/** Returns the value unchanged, whether the condition is true or false, but not before it is known. */
export const after = (arrived: Expression, value: Expression): Expression => arrived.where(value, value);
