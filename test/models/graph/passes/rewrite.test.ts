import { describe, expect, it } from 'vitest';
import type { Value } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { rewriteGraph } from '../../../../src/models/graph/passes/rewrite.js';
import { float32 } from '../../../../src/models/tensor.js';
import { countOps, deadNodes } from '../../../fixtures/run-model.js';

/** exp(sin(x) · w) and the sine itself. */
function source() {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2]);
  const sine = x.sin();
  const w = g.initializer('w', float32([1, 2], [2]));
  g.output(sine.mul(w).exp(), 'y');
  g.output(sine, 'sine');
  return g.build();
}

describe('rewriteGraph', () => {
  it('should return the same graph if nothing is replaced', () => {
    const graph = source();
    expect(rewriteGraph(graph, () => undefined)).toEqual(graph);
  });

  it('should put the new value in the place of the old one, for nodes and outputs alike', () => {
    const graph = rewriteGraph(source(), (g, node, view) =>
      node.op === 'Sin' ? g.expression(view.current(node.inputs[0] as Value)).cos() : undefined,
    );
    expect(countOps(graph)).toEqual({ Cos: 1, Mul: 1, Exp: 1, Identity: 2 });
    const cosine = graph.nodes.find(({ op: name }) => name === 'Cos')?.outputs[0]?.name;
    const readers = graph.nodes.filter(({ inputs }) => inputs.some((input) => input?.name === cosine));
    expect(readers.map(({ op: name }) => name).toSorted()).toEqual(['Identity', 'Mul']);
    expect(graph.outputs.map(({ name }) => name)).toEqual(['y', 'sine']);
  });

  it('should drop nodes and constants that died', () => {
    const graph = rewriteGraph(source(), (g, node, view) =>
      node.op === 'Exp' ? view.current(g.inputs[0] as Value) : undefined,
    );
    expect(countOps(graph)).toEqual({ Sin: 1, Identity: 2 });
    expect([...graph.initializers.keys()]).toEqual([]);
    expect(deadNodes(graph)).toEqual([]);
  });

  it('should say who makes and who uses a value of the source', () => {
    const seen: [string, string | undefined, number][] = [];
    rewriteGraph(source(), (_, node, view) => {
      const [input] = node.inputs as [Value];
      seen.push([node.op, view.producer(input)?.op, view.uses(node.outputs[0] as Value)]);
      return undefined;
    });
    expect(seen).toContainEqual(['Sin', undefined, 2]);
    expect(seen).toContainEqual(['Mul', 'Sin', 1]);
  });
});
