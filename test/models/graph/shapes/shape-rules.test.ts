import { beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { Engine, Tensors } from '../../../../src/models/engines/contract/engine.js';
import type { Attributes } from '../../../../src/models/graph/graph.js';
import { int, ints, text } from '../../../../src/models/graph/graph.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import type { OpName } from '../../../../src/models/graph/op-names.js';
import { OP_NAMES } from '../../../../src/models/graph/op-names.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { float32, int64 } from '../../../../src/models/tensor.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';
import { createDraw, emitCase, feedsOf } from '../../autodiff/check-gradient.js';
import { GRADIENT_CASES } from '../../autodiff/gradient-cases.js';
import type { OpCase } from '../../autodiff/op-case.js';
import { FORWARD_CASES } from '../forward-cases.js';

const CASES: readonly OpCase[] = [...FORWARD_CASES, ...Object.values(GRADIENT_CASES).flat()];

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

/** Runs a graph with every intermediate as an output and returns what its tensors turned out to be. */
async function observed(g: GraphBuilder, feeds: Tensors): Promise<ReadonlyMap<string, string>> {
  const graph = g.build();
  const inside = graph.nodes.flatMap((node) => node.outputs);
  const model = encodeGraph({ ...graph, outputs: inside });
  const executable = await engine.compile(model, { label: 'shapes', optimization: 'none' });
  const results = await executable.run(
    Object.fromEntries(
      Object.entries(feeds).filter(([name]) => graph.inputs.some((input) => input.name === name)),
    ),
  );
  await executable.release();
  return new Map(
    Object.entries(results).map(([name, { type, shape }]) => [name, describeType({ type, shape })]),
  );
}

const describeType = ({ type, shape }: Pick<Expression, 'type' | 'shape'>) => `${type} [${shape.join(', ')}]`;

describe('shape rules against what onnxruntime finds', () => {
  const outputs = new Map<OpCase, readonly Expression[]>();
  let found: ReadonlyMap<string, string>;
  beforeAll(async () => {
    const g = new GraphBuilder();
    let feeds: Tensors = {};
    CASES.forEach((testCase, index) => {
      const label = `case${index}`;
      const emitted = emitCase(g, testCase, label).outputs;
      outputs.set(testCase, emitted);
      for (const output of emitted) g.output(output);
      feeds = { ...feeds, ...feedsOf(testCase, label, createDraw(index)) };
    });
    found = await observed(g, feeds);
  });

  it.each(OP_NAMES)('should have a case for %s', (name) => {
    expect(CASES.some((testCase) => testCase.op === name)).toBe(true);
  });

  it.each(CASES.map((testCase) => [testCase.op, testCase.name, testCase] as const))(
    'should agree: %s %s',
    (_op, _name, testCase) => {
      const emitted = outputs.get(testCase) ?? [];
      expect(emitted.map(describeType)).toEqual(emitted.map((output) => found.get(output.name)));
    },
  );
});

describe('shapes of the backward pass', () => {
  it.each(Object.entries(GRADIENT_CASES))(
    'should agree with onnxruntime for every node: %s',
    async (_, cases) => {
      const g = new GraphBuilder();
      let feeds: Tensors = {};
      cases.forEach((testCase, index) => {
        const label = `case${index}`;
        const { inputs, outputs } = emitCase(g, testCase, label);
        const loss = outputs.map((output) => output.mul(output).sumAll()).reduce((a, b) => a.add(b));
        const parameters = inputs.filter((_, i) => !testCase.inputs[i]?.frozen);
        for (const gradient of gradients(g, loss, parameters)) g.output(gradient);
        feeds = { ...feeds, ...feedsOf(testCase, label, createDraw(index)) };
      });
      const found = await observed(g, feeds);
      const expected = new Map(
        g.build().nodes.flatMap((node) => node.outputs.map((o) => [o.name, describeType(o)])),
      );
      expect(found.size).toBeGreaterThan(cases.length);
      expect(Object.fromEntries(found)).toEqual(
        Object.fromEntries([...expected].filter(([name]) => found.has(name))),
      );
    },
  );
});

interface Mistake {
  readonly op: OpName;
  readonly inputs: (g: GraphBuilder) => readonly (Expression | undefined)[];
  readonly attributes?: Attributes;
  readonly message: string;
}

const shaped =
  (...shapes: readonly (readonly number[])[]) =>
  (g: GraphBuilder) =>
    shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape));
const withIntegers =
  (shape: readonly number[], ...lists: readonly (readonly number[])[]) =>
  (g: GraphBuilder) => [g.input('x0', 'float32', shape), ...lists.map((list) => g.constant(int64(list)))];

const MISTAKES: readonly Mistake[] = [
  {
    op: 'MatMul',
    inputs: shaped([2, 64, 320], [640, 320]),
    message: 'expected equal inner axes, got [2, 64, 320] x [640, 320]',
  },
  { op: 'MatMul', inputs: shaped([3], [3, 2]), message: 'expected matrices, got [3] x [3, 2]' },
  {
    op: 'MatMul',
    inputs: shaped([2, 3, 4], [3, 4, 5]),
    message: 'expected batch axes that broadcast, got [2, 3, 4] x [3, 4, 5]',
  },
  {
    op: 'Gemm',
    inputs: shaped([2, 3], [2, 3]),
    message: 'expected two matrices with equal inner axes, got [2, 3] x [2, 3]',
  },
  {
    op: 'Gemm',
    inputs: shaped([2, 3], [3, 4], [2]),
    message: 'expected an addend that broadcasts to [2, 4], got [2, 3] x [3, 4] x [2]',
  },
  { op: 'Add', inputs: shaped([2, 3], [2]), message: 'expected shapes that broadcast, got [2, 3] x [2]' },
  {
    op: 'Add',
    inputs: (g) => [g.input('a', 'float32', [2]), g.input('b', 'int64', [2])],
    message: 'expected inputs of one element type, got [2] x [2]',
  },
  {
    op: 'Reshape',
    inputs: withIntegers([2, 3], [4, -1]),
    message: 'expected as many elements as [4, -1] has, got [2, 3] x [2]',
  },
  {
    op: 'Reshape',
    inputs: (g) => [g.input('a', 'float32', [2]), g.input('b', 'int64', [1])],
    message: 'expected input 1 to be a constant, got [2] x [1]',
  },
  {
    op: 'Concat',
    inputs: shaped([2, 3], [3, 3]),
    attributes: { axis: int(1) },
    message: 'expected equal shapes apart from axis 1, got [2, 3] x [3, 3]',
  },
  {
    op: 'Split',
    inputs: withIntegers([5], [2, 2]),
    message: 'expected parts that add up to 5, got [5] x [2]',
  },
  {
    op: 'Expand',
    inputs: withIntegers([2, 3], [2, 2]),
    message: 'expected a shape that broadcasts, got [2, 3] x [2]',
  },
  {
    op: 'Transpose',
    inputs: shaped([2, 3]),
    attributes: { perm: ints([1, 0, 2]) },
    message: 'expected a permutation of 2 axes, got [2, 3]',
  },
  {
    op: 'Conv',
    inputs: shaped([1, 4, 5, 5], [2, 3, 3, 3]),
    message: 'expected 3 input channels, got [1, 4, 5, 5] x [2, 3, 3, 3]',
  },
  {
    op: 'Conv',
    inputs: shaped([1, 4, 5, 5], [2, 4, 3, 3]),
    attributes: { auto_pad: text('SAME_UPPER') },
    message: 'expected explicit pads (auto_pad is not supported), got [1, 4, 5, 5] x [2, 4, 3, 3]',
  },
  {
    op: 'ConvTranspose',
    inputs: shaped([1, 4, 5, 5], [3, 4, 3, 3]),
    message: 'expected 3 input channels, got [1, 4, 5, 5] x [3, 4, 3, 3]',
  },
  {
    op: 'ConvTranspose',
    inputs: shaped([1, 3, 5, 5], [3, 4, 3, 3]),
    attributes: { output_shape: ints([9, 9]) },
    message: 'expected explicit pads (output_shape is not supported), got [1, 3, 5, 5] x [3, 4, 3, 3]',
  },
  { op: 'AveragePool', inputs: shaped([1, 1, 4, 4]), message: 'expected a kernel_shape, got [1, 1, 4, 4]' },
  {
    op: 'AveragePool',
    inputs: shaped([1, 1, 4, 4]),
    attributes: { kernel_shape: ints([3, 3]), ceil_mode: int(1) },
    message: 'expected ceil_mode 0, got [1, 1, 4, 4]',
  },
  {
    op: 'GroupNormalization',
    inputs: shaped([1, 4, 2], [4], [4]),
    attributes: { num_groups: int(2) },
    message: 'expected scale and bias of 2 elements, got [1, 4, 2] x [4] x [4]',
  },
  {
    op: 'GroupNormalization',
    inputs: shaped([1, 4, 2], [3], [3]),
    attributes: { num_groups: int(3) },
    message: 'expected channels that divide into 3 groups, got [1, 4, 2] x [3] x [3]',
  },
  {
    op: 'InstanceNormalization',
    inputs: shaped([1, 4, 2], [2], [4]),
    message: 'expected scale and bias of 4 elements, got [1, 4, 2] x [2] x [4]',
  },
  {
    op: 'Resize',
    inputs: shaped([1, 1, 2, 2]),
    attributes: { mode: text('linear') },
    message: 'expected mode nearest, got [1, 1, 2, 2]',
  },
  {
    op: 'Resize',
    inputs: shaped([1, 1, 2, 2]),
    message: 'expected constant scales or sizes, got [1, 1, 2, 2]',
  },
  {
    op: 'Resize',
    inputs: (g) => [g.input('x', 'float32', [2]), undefined, g.constant(float32([2], [1]))],
    attributes: { keep_aspect_ratio_policy: text('not_larger') },
    message: 'expected keep_aspect_ratio_policy stretch, got [2] x - x [1]',
  },
  {
    op: 'DepthToSpace',
    inputs: shaped([1, 6, 2, 2]),
    attributes: { blocksize: int(2) },
    message: 'expected channels that are a multiple of 4, got [1, 6, 2, 2]',
  },
  {
    op: 'Cast',
    inputs: shaped([2]),
    attributes: { to: int(99) },
    message: 'expected a known element type, got [2]',
  },
  { op: 'Relu', inputs: () => [], message: 'expected an input at position 0, got ' },
];

describe('shape rules given what does not fit', () => {
  it.each(MISTAKES.map((mistake) => [mistake.op, mistake.message, mistake] as const))(
    'should refuse %s: %s',
    (_op, _message, { op: name, inputs, attributes, message }) => {
      const g = new GraphBuilder();
      expect(() => g.emit(name, inputs(g), attributes, { name: 'node' })).toThrowError(
        expect.objectContaining({
          code: 'TRIB_GRAPH',
          message: `${name} "node": ${message}. Check the shapes of its inputs.`,
        }),
      );
      expect(g.nodes).toEqual([]);
    },
  );
});
