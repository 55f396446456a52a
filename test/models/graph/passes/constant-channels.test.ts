import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { withConstantChannels } from '../../../../src/models/graph/passes/constant-channels.js';
import { float32 } from '../../../../src/models/tensor.js';
import { runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

it('should fill the last channels of every row, and leave a graph without such channels alone', async () => {
  const g = new GraphBuilder();
  g.output(g.input('x', 'float32', [2, 3, 1, 2]).mul(2), 'y');
  const graph = g.build();
  const filled = withConstantChannels(graph, 'x', [5, -1]);
  expect(filled.inputs).toEqual([{ name: 'x', type: 'float32', shape: [2, 1, 1, 2] }]);
  const { y } = await runModel(sharedEngine(), filled, { x: float32([1, 2, 3, 4], [2, 1, 1, 2]) });
  expect([...(y ?? [])]).toEqual([2, 4, 10, 10, -2, -2, 6, 8, 10, 10, -2, -2]);
  expect(withConstantChannels(graph, 'x', [])).toBe(graph);
});
