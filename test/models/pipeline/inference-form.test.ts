import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine, Provider, Tensors } from '../../../src/models/engines/contract/engine.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import { attention } from '../../../src/models/networks/layers.js';
import { inferenceForms } from '../../../src/models/pipeline/inference-form.js';
import { float32, float32Data } from '../../../src/models/tensor.js';
import { countOps } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { randomWeights } from '../../fixtures/tiny-pipeline.js';

/** Self-attention with heads of a size. */
function attentionGraph(headSize: number, positions = 4) {
  const g = new GraphBuilder();
  const layer = { g, weights: randomWeights(g, 1) };
  const x = g.input('x', 'float32', [1, positions, 16]);
  g.output(attention(layer, 'attn1', x, { headSize }), 'y');
  return g.build();
}

describe('the form in which a network samples', () => {
  let cpu: Engine;
  beforeAll(() => {
    cpu = sharedEngine();
  });

  /** The CPU under another name, with something done to what it computes; counts the graphs that it was given. */
  function device(provider: Provider, spoil: (values: Float32Array) => Float32Array) {
    const compiled: string[] = [];
    const engine: Engine = {
      ...cpu,
      async compile(model, options) {
        compiled.push(options.label);
        const executable = await cpu.compile(model, options);
        const run = async (feeds: Tensors): Promise<Tensors> => {
          const { mixed } = await executable.run(feeds);
          return { mixed: float32(spoil(float32Data(mixed, 'mixed')), mixed?.shape ?? []) };
        };
        return { ...executable, provider, run };
      },
    };
    return { engine, compiled };
  }

  it('should fuse attention where the device computes it as the formula says', async () => {
    const { engine } = device('webgpu', (values) => values.map((value) => value * 1.001));
    const { graph, fault } = await inferenceForms(engine)(attentionGraph(8));
    expect(fault).toBeNull();
    expect(countOps(graph).MultiHeadAttention).toBe(1);
  });

  it('should leave attention in its parts where the device computes it wrongly, and say so', async () => {
    const { engine } = device('webgpu', (values) => values.map((value, i) => (i % 4 === 0 ? 0 : value)));
    const { graph, fault } = await inferenceForms(engine)(attentionGraph(8));
    expect(fault).toMatch(
      /^provider webgpu computes fused attention wrongly on this device \(heads of 8, relative error 0\.\d+\): attention runs in its parts$/,
    );
    expect(countOps(graph)).toMatchObject({ Softmax: 1 });
    expect(countOps(graph).MultiHeadAttention).toBeUndefined();
  });

  it('should make large scores in pieces there', async () => {
    const { engine } = device('webgpu', (values) => values.fill(0));
    const { graph } = await inferenceForms(engine)(attentionGraph(8, 4096));
    const pieces = graph.nodes.filter(({ op }) => op === 'Softmax');
    expect(pieces.map(({ outputs }) => outputs[0]?.shape)).toEqual([
      [1, 2, 2048, 4096],
      [1, 2, 2048, 4096],
    ]);
  });

  it('should not take NaN for right', async () => {
    const { engine } = device('cuda', (values) => values.fill(Number.NaN));
    expect((await inferenceForms(engine)(attentionGraph(8))).fault).toMatch(/relative error NaN/);
  });

  it('should try each size of heads once', async () => {
    const { engine, compiled } = device('webgpu', (values) => values);
    const form = inferenceForms(engine);
    for (const size of [8, 16, 8]) await form(attentionGraph(size));
    expect(compiled).toEqual(['fused attention', 'fused attention']);
  });

  it('should trust the CPU', async () => {
    const { engine } = device('cpu', (values) => values.fill(0));
    expect((await inferenceForms(engine)(attentionGraph(8))).fault).toBeNull();
  });
});
