import { beforeAll, describe, expect, it } from 'vitest';
import { TributaryError } from '../../../src/errors.js';
import { gradients } from '../../../src/models/autodiff/backward.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import type { Graph, Value } from '../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import { conv } from '../../../src/models/graph/ops/convolution.js';
import type { Expression } from '../../../src/models/graph/ops/expression.js';
import { float32 } from '../../../src/models/tensor.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { runGraph } from '../graph/run-graph.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const opsOf = (graph: Graph) => graph.nodes.map((node) => node.op).sort();
const weight = (g: GraphBuilder, name: string, shape: readonly number[]) =>
  g.initializer(name, float32(new Float32Array(shape.reduce((n, size) => n * size, 1)).fill(0.5), shape));

/** An operator that no rule knows, as a loaded model may hold it. */
function foreign(g: GraphBuilder, op: string, domain: string, x: Expression, name: string): Expression {
  const output = { ...x, name: `${name}_output` };
  g.append({ name, op, domain, inputs: [x], outputs: [output], attributes: {} });
  return g.expression(output);
}

function errorOf(body: () => unknown): TributaryError {
  try {
    body();
  } catch (error) {
    if (error instanceof TributaryError) return error;
    throw error;
  }
  throw new Error('expected an error, got none');
}

describe('gradients', () => {
  it('should add up where a value is used more than once', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const loss = x.mul(x.mul(x)).add(x.add(x)).sumAll();
    const [dx] = gradients(g, loss, [x]) as [Expression];
    expect(await runGraph(engine, g, [dx], { x: float32([2, -1], [2]) })).toEqual([[14, 5]]);
  });

  it('should give zeros of its shape for a parameter that the loss does not use', async () => {
    const g = new GraphBuilder();
    const [x, unused] = [g.input('x', 'float32', [2]), g.input('unused', 'float32', [1, 3])];
    const [dx, none] = gradients(g, x.sumAll(), [x, unused]) as [Expression, Expression];
    expect(none.shape).toEqual([1, 3]);
    expect(await runGraph(engine, g, [dx, none], { x: float32([5, 6], [2]) })).toEqual([
      [1, 1],
      [0, 0, 0],
    ]);
  });

  it('should give one for the loss itself', async () => {
    const g = new GraphBuilder();
    const loss = g.input('x', 'float32', [2]).sumAll();
    expect(await runGraph(engine, g, gradients(g, loss, [loss]))).toEqual([[1]]);
  });

  it('should differentiate by a value in the middle, and stop there', () => {
    const g = new GraphBuilder();
    const middle = g.input('x', 'float32', [2]).exp();
    const [gradient] = gradients(g, middle.mul(middle).sumAll(), [middle]) as [Expression];
    g.output(gradient, 'gradient');
    expect(opsOf(g.build())).not.toContain('Log');
    expect(gradient.shape).toEqual([2]);
    expect(g.nodes.filter((node) => node.name.includes('gradient/Exp'))).toEqual([]);
  });

  it('should let nothing through stopGradient', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const loss = x.mul(x.mul(x).stopGradient()).sumAll();
    const [dx] = gradients(g, loss, [x]) as [Expression];
    expect(await runGraph(engine, g, [dx], { x: float32([2, -3], [2]) })).toEqual([[4, 9]]);
  });

  it('should give zeros behind an operator whose derivative is zero', async () => {
    const g = new GraphBuilder();
    const [x, table] = [g.input('x', 'float32', [3]), g.input('table', 'float32', [3])];
    const [index] = g.emit('ArgMax', [x]) as [Expression];
    const [steps] = g.emit('Floor', [x]) as [Expression];
    const above = x.greater(0).cast('float32');
    const loss = table.gather(index).add(steps.add(above)).sumAll();
    const found = gradients(g, loss, [x, table]);
    const feeds = { x: float32([0.5, 2, 1], [3]), table: float32([1, 2, 3], [3]) };
    expect(await runGraph(engine, g, found, feeds)).toEqual([
      [0, 0, 0],
      [0, 3, 0],
    ]);
  });

  it('should sum over the axes along which an input was broadcast', async () => {
    const g = new GraphBuilder();
    const [row, column] = [g.input('row', 'float32', [1, 2]), g.input('column', 'float32', [2, 3, 1])];
    const found = gradients(g, row.mul(column).sumAll(), [row, column]);
    expect(found.map((value) => value.shape)).toEqual([
      [1, 2],
      [2, 3, 1],
    ]);
    const feeds = { row: float32([10, 1], [1, 2]), column: float32([1, 2, 3, 4, 5, 6], [2, 3, 1]) };
    expect(await runGraph(engine, g, found, feeds)).toEqual([
      [21, 21],
      [11, 11, 11, 11, 11, 11],
    ]);
  });

  it('should differentiate a gradient again', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const [first] = gradients(g, x.mul(x).sin().sumAll(), [x]) as [Expression];
    const [second] = gradients(g, first.sumAll(), [x]) as [Expression];
    const [values = []] = await runGraph(engine, g, [second], { x: float32([0.5, -1], [2]) });
    const expected = [0.5, -1].map((v) => 2 * Math.cos(v * v) - 4 * v * v * Math.sin(v * v));
    expect(values).toEqual(expected.map((value) => expect.closeTo(value, 5)));
  });
});

describe('what gradients leave out', () => {
  it('should give a frozen weight no nodes: LoRA on a frozen matrix product', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    const [a, b] = [g.input('a', 'float32', [3, 1]), g.input('b', 'float32', [1, 4])];
    const frozen = x
      .matMul(weight(g, 'first', [3, 3]))
      .relu()
      .matMul(weight(g, 'w', [3, 4]));
    const adapted = frozen.add(x.matMul(a).matMul(b));
    const found = gradients(g, adapted.sumAll(), [a, b]);
    g.output(found[0] as Expression, 'da');
    g.output(found[1] as Expression, 'db');
    // db = (x a)ᵀ dy, da = xᵀ (dy bᵀ); dy is an expanded one. Nothing of the frozen path is needed.
    expect(opsOf(g.build())).toEqual(
      [
        'MatMul',
        'Transpose',
        'MatMul',
        'Transpose',
        'MatMul',
        'Transpose',
        'MatMul',
        'Expand',
        'Reshape',
        'Identity',
        'Identity',
      ].sort(),
    );
    expect([...g.build().initializers.keys()]).not.toContain('w');
  });

  it('should keep no node that no output needs', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1, 2, 4, 4]);
    const a = g.input('a', 'float32', [2, 1, 1]);
    const hidden = conv(x.mul(a), weight(g, 'w', [2, 2, 3, 3]), weight(g, 'b', [2]), {
      pads: [1, 1, 1, 1],
    });
    const [left, right] = hidden.silu().softmax(1).split([1, 1], 1) as [Expression, Expression];
    const loss = left.max(right.mul(right)).meanAll();
    g.output(loss, 'loss');
    g.output(gradients(g, loss, [a])[0] as Expression, 'da');
    const graph = g.build();
    const used = new Set([
      ...graph.outputs.map((output) => output.name),
      ...graph.nodes.flatMap((node) => node.inputs.map((input) => input?.name)),
    ]);
    expect(graph.nodes.filter((node) => !node.outputs.some((output) => used.has(output.name)))).toEqual([]);
    expect([...graph.initializers.keys()].filter((name) => !used.has(name))).toEqual([]);
    expect(graph.nodes.filter((node) => node.op === 'Gemm')).toEqual([]);
  });

  it.each([
    ['stride 1', {}, ['Conv', 'Conv'], []],
    ['stride 1, dilated and padded', { dilations: [2, 2], pads: [2, 2, 2, 2] }, ['Conv', 'Conv'], []],
    ['stride 2', { strides: [2, 2] }, ['Conv'], ['ConvTranspose']],
    ['2 groups', { groups: 2 }, ['Conv'], ['ConvTranspose']],
  ] as const)(
    'should run the input gradient of a frozen convolution as Conv where it can: %s',
    (_, options, forward, transposed) => {
      const g = new GraphBuilder();
      const x = g.input('x', 'float32', [1, 4, 7, 7]);
      const channels = 'groups' in options ? 2 : 4;
      const loss = conv(x, weight(g, 'w', [4, channels, 3, 3]), undefined, options).sumAll();
      g.output(loss, 'loss');
      g.output(gradients(g, loss, [x])[0] as Expression, 'dx');
      const ops = opsOf(g.build());
      expect(ops.filter((name) => name === 'Conv')).toEqual(forward);
      expect(ops.filter((name) => name === 'ConvTranspose')).toEqual(transposed);
      expect(ops).not.toContain('Gemm');
    },
  );
});

describe('errors of gradients', () => {
  it('should ask for a scalar loss', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [8, 50]);
    const error = errorOf(() => gradients(g, x, [x]));
    expect(error.code).toBe('TRIB_GRAPH');
    expect(error.message).toBe(
      'loss "x": expected a float32 scalar, got float32 [8, 50]. Reduce it with meanAll or sumAll.',
    );
  });

  it('should ask for a float32 loss', () => {
    const g = new GraphBuilder();
    const loss = g.input('x', 'float32', []).cast('float64');
    expect(errorOf(() => gradients(g, loss, [loss])).message).toContain('got float64 []');
  });

  it('should name an operator without a rule, its node, the loss and the parameters', () => {
    const g = new GraphBuilder();
    const [x, w] = [g.input('x', 'float32', [2]), g.input('w', 'float32', [2])];
    const loss = foreign(g, 'Mish', '', x.mul(w), 'block/act').sumAll();
    const error = errorOf(() => gradients(g, loss, [x, w]));
    expect(error.code).toBe('TRIB_NO_GRADIENT');
    expect(error.message).toBe(
      'Mish "block/act": expected an operator with a gradient rule on the path from "/ReduceSum_output" to "x" and 1 more, got Mish. Export the model with other operators, or add a row to gradient-rules.ts.',
    );
  });

  it('should name the domain of a fused operator', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const loss = foreign(g, 'Gelu', 'com.microsoft', x, 'act').sumAll();
    expect(errorOf(() => gradients(g, loss, [x])).message).toContain('com.microsoft.Gelu "act"');
  });

  it('should not mind such an operator off the path', () => {
    const g = new GraphBuilder();
    const [x, w] = [g.input('x', 'float32', [2]), g.input('w', 'float32', [2])];
    const below = foreign(g, 'Mish', '', x, 'below');
    const y = below.mul(w);
    foreign(g, 'Mish', '', y, 'beside');
    const [steps] = g.emit('Floor', [y]) as [Expression];
    const behindZero = foreign(g, 'Mish', '', steps, 'behind');
    expect(gradients(g, y.add(behindZero).sumAll(), [w])).toHaveLength(1);
  });

  it.each([1, 2])('should refuse a gradient into output %i of LayerNormalization, a statistic', (output) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    const outputs = g.emit('LayerNormalization', [x, weight(g, 'scale', [3])], {}, { name: 'norm' });
    const loss = (outputs[0] as Expression).sumAll().add((outputs[output] as Expression).sumAll());
    const error = errorOf(() => gradients(g, loss, [x]));
    expect(error.code).toBe('TRIB_NO_GRADIENT');
    expect(error.message).toMatch(
      /^LayerNormalization "norm": expected only its first output .* Mean or InvStdDev/,
    );
  });

  it('should refuse an input that depends on a parameter and has no derivative', () => {
    const g = new GraphBuilder();
    const [x, bound] = [g.input('x', 'float32', [2]), g.input('bound', 'float32', [])];
    const [clipped] = g.emit('Clip', [x, bound], {}, { name: 'clip' }) as [Expression];
    const error = errorOf(() => gradients(g, clipped.sumAll(), [x, bound]));
    expect(error.code).toBe('TRIB_NO_GRADIENT');
    expect(error.message).toBe(
      'Clip "clip": expected input 1 ("bound") not to depend on a parameter, got one that does. Wrap it in stopGradient, or export the model with other operators.',
    );
  });

  it('should refuse computed axes of a reduction', () => {
    const g = new GraphBuilder();
    const [x, axes] = [g.input('x', 'float32', [2, 3]), g.input('axes', 'int64', [1])];
    const output: Value = { name: 'sum_output', type: 'float32', shape: [1, 3] };
    g.append({
      name: 'sum',
      op: 'ReduceSum',
      domain: '',
      inputs: [x, axes],
      outputs: [output],
      attributes: {},
    });
    expect(errorOf(() => gradients(g, g.expression(output).sumAll(), [x])).message).toContain(
      'ReduceSum "sum": expected constant axes',
    );
  });
});
