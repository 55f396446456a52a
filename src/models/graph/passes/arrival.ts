/** @file Order among nodes that do not read each other: a runtime orders nodes by what they wait for, and by nothing else. */

import type { Value } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import * as op from '../ops/index.js';

/** A condition that is known as soon as all the values are, and not before. It is not true where one is NaN: see `after`. */
export function hasArrived(g: GraphBuilder, ...values: readonly Value[]): Value {
  const firsts = values.map((value) =>
    op.slice(g, op.reshape(g, value, [-1]), { starts: [0], ends: [1], axes: [0] }),
  );
  const [only] = firsts as [Value];
  const known = firsts.length === 1 ? only : op.reduceMax(g, op.concat(g, firsts, 0), [0]);
  return op.equal(g, known, known);
}

/** A value as it is, whatever the condition says, and not before that is known. */
export const after = (g: GraphBuilder, arrived: Value, value: Value): Value =>
  op.where(g, arrived, value, value);
