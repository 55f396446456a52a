/** @file Order among nodes that do not read each other: a runtime orders nodes by what they wait for, and by nothing else. */

import { concat, type Expression } from '../ops/expression.js';

/** A condition that is known as soon as all the values are, and not before. It is not true where one is NaN: see `after`. */
export function hasArrived(...values: readonly [Expression, ...Expression[]]): Expression {
  const firsts = values.map((value) => value.reshape([-1]).slice({ starts: [0], ends: [1], axes: [0] }));
  const [only] = firsts as [Expression];
  const known = firsts.length === 1 ? only : concat(firsts, 0).reduceMax([0]);
  return known.equal(known);
}

/** A value as it is, whatever the condition says, and not before that is known. */
export const after = (arrived: Expression, value: Expression): Expression => arrived.where(value, value);
