import { describe, expect, it } from 'vitest';
import type { Value } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { float32 } from '../../../../src/models/tensor.js';

const graphError = (message: string) => expect.objectContaining({ code: 'TRIB_GRAPH', message });

describe('GraphBuilder', () => {
  it('should name nodes by scope and operator, each once', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    g.scoped('block', () => g.scoped('act', () => x.exp().exp()));
    x.exp();
    g.emit('Exp', [x], {}, { name: 'mine' });
    g.emit('Exp', [x], {}, { name: 'mine' });
    expect(g.nodes.map((node) => node.name)).toEqual([
      '/block/act/Exp',
      '/block/act/Exp_1',
      '/Exp',
      'mine',
      'mine_1',
    ]);
    expect(new Set(g.nodes.flatMap((node) => node.outputs.map((output) => output.name))).size).toBe(5);
    expect(g.scope).toBe('');
  });

  it('should leave a scope even when its body throws', () => {
    const g = new GraphBuilder();
    expect(() =>
      g.scoped('inner', () => {
        throw new Error('from the body');
      }),
    ).toThrow('from the body');
    expect(g.scope).toBe('');
  });

  it('should share equal scalars and nothing else', () => {
    const g = new GraphBuilder();
    expect(g.scalar(0.5)).toBe(g.scalar(0.5));
    expect(g.scalar(0.5).name).not.toBe(g.scalar(0.25).name);
    expect(g.constant(float32([1], [])).name).not.toBe(g.constant(float32([1], [])).name);
  });

  it('should drop nodes, inputs and constants that no output needs', () => {
    const g = new GraphBuilder();
    const [x, unused] = [g.input('x', 'float32', [2]), g.input('unused', 'float32', [2])];
    unused.mul(3);
    const [used] = x.add(1).split([1, 1], 0) as [Expression];
    g.output(used, 'y');
    const graph = g.build();
    expect(graph.nodes.map((node) => node.op)).toEqual(['Add', 'Split', 'Identity']);
    expect(graph.inputs).toEqual([x]);
    expect(graph.initializers.size).toBe(2);
    expect(graph.outputs).toEqual([{ name: 'y', type: 'float32', shape: [1] }]);
  });

  it('should declare an output under its own name without a copy', () => {
    const g = new GraphBuilder();
    const y = g.input('x', 'float32', []).exp();
    expect(g.output(y)).toBe(y);
    expect(g.output(y, y.name)).toBe(y);
    expect(g.nodes).toHaveLength(1);
  });

  it('should continue a graph that was built before', () => {
    const g = new GraphBuilder();
    g.output(g.input('x', 'float32', [2]).mul(2), 'y');
    const graph = g.build();
    expect(GraphBuilder.from(graph).build()).toEqual(graph);

    const more = GraphBuilder.from(graph);
    more.clearOutputs();
    more.output(more.value('y').exp(), 'z');
    expect(more.build().outputs.map((output) => output.name)).toEqual(['z']);
    expect(more.build().nodes.map((node) => node.op)).toEqual(['Mul', 'Identity', 'Exp', 'Identity']);
  });

  it('should hold plain values, which can be cloned and sent to a thread', () => {
    const g = new GraphBuilder();
    g.output(g.input('x', 'float32', [2]).mul(2).sin(), 'y');
    const graph = g.build();
    const [multiply] = graph.nodes;
    expect(multiply?.inputs[0]).toStrictEqual({ name: 'x', type: 'float32', shape: [2] });
    expect(structuredClone(graph)).toStrictEqual(graph);
  });

  it('should append nodes as JavaScript evaluates: receiver, arguments, operator', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    x.exp().mul(x.sin().neg()).add(x.cos());
    expect(g.nodes.map((node) => node.op)).toEqual(['Exp', 'Sin', 'Neg', 'Mul', 'Cos', 'Add']);
  });

  it('should take a number as the scalar that it stands for', () => {
    const built = (write: (x: Expression, g: GraphBuilder) => Expression) => {
      const g = new GraphBuilder();
      g.output(write(g.input('x', 'float32', [2]), g), 'y');
      return g.build();
    };
    expect(built((x) => x.mul(0.5).add(0.5))).toEqual(
      built((x, g) => x.mul(g.scalar(0.5)).add(g.scalar(0.5))),
    );
    expect(built((x) => x.subtractFrom(1))).toEqual(built((x, g) => g.scalar(1).sub(x)));
    expect(built((x) => x.greater(0).where(x, -1))).toEqual(
      built((x, g) => x.greater(g.scalar(0)).where(x, g.scalar(-1))),
    );
  });

  it('should remember what stopGradient stops', () => {
    const g = new GraphBuilder();
    const stopped = g.input('x', 'float32', [2]).stopGradient();
    expect([...g.barriers]).toEqual([stopped.name]);
  });

  it('should refuse a name that is taken', () => {
    const g = new GraphBuilder();
    g.input('x', 'float32', [2]);
    const taken = graphError(
      'graph value "x": expected a new name, got one that is taken. Choose another name.',
    );
    expect(() => g.input('x', 'float32', [2])).toThrowError(taken);
    expect(() => g.initializer('x', float32([1], []))).toThrowError(taken);
    expect(() => g.output(g.value('x').exp(), 'x')).toThrowError(taken);
  });

  it('should refuse a node whose inputs are not there yet', () => {
    const g = new GraphBuilder();
    const later: Value = { name: 'later', type: 'float32', shape: [2] };
    expect(() => g.expression(later).exp()).toThrowError(
      graphError(
        'Exp "/Exp": expected input "later" to be produced before it, got no such value. Add nodes in topological order.',
      ),
    );
  });

  it('should list the inputs when a value is unknown', () => {
    const g = new GraphBuilder();
    g.input('sample', 'float32', [2]);
    g.input('timestep', 'float32', []);
    expect(() => g.value('smaple')).toThrowError(
      graphError(
        `graph value "smaple": expected one of the graph's 2 values, got an unknown name. The graph's inputs are sample, timestep.`,
      ),
    );
  });
});
