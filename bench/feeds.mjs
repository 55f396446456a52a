/** @file Feeds of a graph that is only timed. */

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
      const value = (index) => (name === 'stdDevT' ? 0.3 : Math.sin(index * 12.9898) * 0.5);
      return [
        name,
        float32(
          Float32Array.from({ length: count }, (_, index) => value(index)),
          shape,
        ),
      ];
    }),
  );
}
