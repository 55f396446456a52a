import { describe, expect, it } from 'vitest';
import type { Attributes, Node, Value } from '../../../../src/models/graph/graph.js';
import { int, ints } from '../../../../src/models/graph/graph.js';
import { upgradeNode } from '../../../../src/models/graph/onnx/opset-upgrade.js';
import type { Tensor } from '../../../../src/models/tensor.js';
import { int64 } from '../../../../src/models/tensor.js';

const x: Value = { name: 'x', type: 'float32', shape: [4, 5] };
const node = (op: string, attributes: Attributes, outputs: readonly Value[] = [], domain = ''): Node => ({
  name: 'node',
  op,
  domain,
  inputs: [x],
  outputs,
  attributes,
});

describe('upgradeNode', () => {
  it.each(['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceSum', 'ReduceSumSquare', 'Squeeze', 'Unsqueeze'])(
    'should make the axes of %s an input',
    (op) => {
      const initializers = new Map<string, Tensor>();
      const upgraded = upgradeNode(node(op, { axes: ints([0, -1]), keepdims: int(0) }), initializers);
      expect(upgraded.inputs).toEqual([x, { name: 'node_axes', type: 'int64', shape: [2] }]);
      expect(upgraded.attributes).toEqual({ keepdims: int(0) });
      expect(initializers.get('node_axes')).toEqual(int64([0, -1]));
    },
  );

  it('should write down the equal parts of Split', () => {
    const initializers = new Map<string, Tensor>();
    const parts = [2, 3].map((size, i): Value => ({ name: `y${i}`, type: 'float32', shape: [4, size] }));
    const upgraded = upgradeNode(node('Split', { axis: int(-1) }, parts), initializers);
    expect(upgraded.inputs[1]).toEqual({ name: 'node_sizes', type: 'int64', shape: [2] });
    expect(initializers.get('node_sizes')).toEqual(int64([2, 3]));
    expect(upgraded.attributes).toEqual({ axis: int(-1) });
  });

  it.each([
    ['a reduction over all axes', node('ReduceSum', { keepdims: int(1) })],
    ['a Split of opset 18', node('Split', { num_outputs: int(2) })],
    ['an operator of another domain', node('ReduceSum', { axes: ints([0]) }, [], 'com.microsoft')],
    ['axes that mean something else', node('Resize', { axes: ints([2, 3]) })],
  ])('should leave %s as it is', (_, unchanged) => {
    const initializers = new Map<string, Tensor>();
    expect(upgradeNode(unchanged, initializers)).toBe(unchanged);
    expect(initializers.size).toBe(0);
  });
});
