import type { Engine, Tensors } from '../../../src/models/engines/contract/engine.js';
import type { Value } from '../../../src/models/graph/graph.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import type { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import type { Tensor } from '../../../src/models/tensor.js';

/** Runs what is built so far and returns the elements of the given values, in order. */
export async function runGraph(
  engine: Engine,
  g: GraphBuilder,
  values: readonly Value[],
  feeds: Readonly<Record<string, Tensor>> = {},
): Promise<number[][]> {
  values.forEach((value, index) => {
    g.output(value, `result${index}`);
  });
  const graph = g.build();
  const executable = await engine.compile(encodeGraph(graph), { label: 'test graph' });
  const needed = graph.inputs.map(({ name }) => [name, feeds[name]] as [string, Tensor]);
  const results: Tensors = await executable.run(Object.fromEntries(needed));
  await executable.release();
  return values.map((_, index) => Array.from(results[`result${index}`]?.data as ArrayLike<number>, Number));
}
