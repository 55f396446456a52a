/** @file Feeds for a graph that is only timed. */

import { elementCount, float32, int64 } from '../dist/models/tensor.js';

/** Feeds of the right types: normal-like numbers, timestep 500. */
export function feedsOf(graph) {
  return Object.fromEntries(
    graph.inputs.map(({ name, type, shape }) => {
      const count = elementCount(shape);
      if (type === 'int64')
        return [
          name,
          int64(
            Array.from({ length: count }, () => 500),
            shape,
          ),
        ];
      const values = Float32Array.from({ length: count }, (_, index) => value(name, index));
      return [name, float32(values, shape)];
    }),
  );
}

function value(name, index) {
  if (name === 'timestep') return 500;
  if (name === 'stdDevT') return 0.3;
  return Math.sin(index * 12.9898) * 0.5;
}
