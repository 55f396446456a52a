/**
 * @file Where a network gets its weights. Its definition asks for each weight by name; the source makes it a trainable input
 * of the graph, or a constant from a file.
 */

import { TributaryError } from '../../errors.js';
import { formatShape, type StoredTensor } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { elementCount, float32, type Tensor } from '../tensor.js';

/** How a weight starts: constant, or normal with a standard deviation. */
type Initialization = { readonly constant: number } | { readonly stdDev: number };

/** The middle of a square table: files hold [1, side · side, features], row by row, a network takes [1, h · w, features]. */
export interface Crop {
  readonly side: number;
  readonly height: number;
  readonly width: number;
}

/** Gives the value of a named weight; with `crop`, the part of a table that a network of this size takes. */
export type WeightSource = (
  name: string,
  shape: readonly number[],
  start: Initialization,
  crop?: Crop,
) => Expression;

export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initialization: Initialization;
  readonly crop: Crop | undefined;
}

/** Weights as graph inputs, for training; adds every weight that the network asks for to `specs`. */
export function trainableWeights(g: GraphBuilder, specs: WeightSpec[]): WeightSource {
  return (name, shape, initialization, crop) => {
    specs.push({ name, shape, initialization, crop });
    return g.input(name, 'float32', shape);
  };
}

/** Weights as constants of the graph, in memory or on disk. */
export function constantWeights(
  g: GraphBuilder,
  weights: ReadonlyMap<string, Tensor | StoredTensor>,
): WeightSource {
  return (name, shape) => {
    const tensor = weights.get(name);
    if (tensor && formatShape(tensor.shape) === formatShape(shape))
      return 'data' in tensor ? g.initializer(name, tensor) : g.stored(name, tensor);
    const text = `weight "${name}": expected shape ${formatShape(shape)}, got ${tensor ? formatShape(tensor.shape) : 'no such weight'}. Use weights of the same network.`;
    throw new TributaryError('TRIB_MODEL', text);
  };
}

/** Returns fresh weights, each from its own stream of normal numbers. */
export function initializeWeights(
  specs: readonly WeightSpec[],
  normal: (index: number, count: number) => Float32Array,
): Map<string, Tensor<'float32'>> {
  return new Map(
    specs.map(({ name, shape, initialization }, index) => {
      const count = elementCount(shape);
      if ('constant' in initialization)
        return [name, float32(new Float32Array(count).fill(initialization.constant), shape)];
      const { stdDev } = initialization;
      const data = normal(index, count).map((value) => value * stdDev);
      return [name, float32(data, shape)];
    }),
  );
}
