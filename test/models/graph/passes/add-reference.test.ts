import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { prepareGraph } from '../../../../src/models/engines/prepare-graph.js';
import { float, type Graph } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { addReference } from '../../../../src/models/graph/passes/add-reference.js';
import type { Adapter } from '../../../../src/models/graph/weights/lora.js';
import { addLora } from '../../../../src/models/graph/weights/lora.js';
import type { Tensor } from '../../../../src/models/tensor.js';
import { elementCount, int64 } from '../../../../src/models/tensor.js';
import { deadNodes, largestDifference, randomTensor, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';
import { tinyUnet } from '../../../fixtures/tiny-pipeline.js';

const TOKENS = 5;
const RANK = 2;
const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: RANK, alpha: 3, form: 'beside' } as const;

let engine: Engine;
let model: Graph;
let adapted: Graph;
let adapters: readonly Adapter[];
let parameters: readonly string[];

beforeAll(async () => {
  engine = sharedEngine();
  model = await prepareGraph(engine, tinyUnet(TOKENS), {
    label: 'tiny UNet',
    inputShapes: { sample: [2, 3, 16, 16], timestep: [2], encoder_hidden_states: [2, TOKENS, 16] },
  });
  ({ graph: adapted, adapters } = addLora(model, LORA, 'tiny UNet'));
  parameters = adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
});

const inputs = {
  sample: randomTensor(1, [2, 3, 16, 16]),
  timestep: int64([700, 20]),
  encoder_hidden_states: randomTensor(2, [2, TOKENS, 16]),
};
/** An adapter that changes what the network does. */
const adapterFeeds = (seed: number, prefix = ''): Record<string, Tensor> =>
  Object.fromEntries(
    adapters.flatMap(({ inputA, inputB, inFeatures, outFeatures }, index) => [
      [`${prefix}${inputA}`, randomTensor(seed + index, [inFeatures, RANK], 0.3)],
      [`${prefix}${inputB}`, randomTensor(seed + 500 + index, [RANK, outFeatures], 0.3)],
    ]),
  );
const withBoth = () => addReference(addReference(adapted, adapted, 'old', parameters), model, 'pretrained');
const byteCount = ({ initializers }: Graph) =>
  [...initializers.values()].reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0);
/** Nodes of the model that read, however indirectly, what an adapted layer gives. */
function behindAdapters(graph: Graph): string[] {
  const changed = new Set<string>();
  const names: string[] = [];
  for (const node of graph.nodes) {
    const reads = node.inputs.some((input) => input && changed.has(input.name));
    const isAdapted = /attn[12]\/to_(q|k|v|out\.0)\/(MatMul|Gemm)/.test(node.name);
    if (reads || isAdapted) for (const output of node.outputs) changed.add(output.name);
    if (reads) names.push(node.name);
  }
  return names;
}

describe('addReference', () => {
  it('should give the outputs of the model without adapter and with the weights of another one', async () => {
    const feeds = { ...inputs, ...adapterFeeds(10), ...adapterFeeds(20, 'old:') };
    const outputs = await runModel(engine, withBoth(), feeds);
    const { out_sample: plain } = await runModel(engine, model, inputs);
    const { out_sample: policy } = await runModel(engine, adapted, { ...inputs, ...adapterFeeds(10) });
    const { out_sample: old } = await runModel(engine, adapted, { ...inputs, ...adapterFeeds(20) });
    const found = (name: string) => outputs[name] as Float32Array;
    expect(largestDifference(found('pretrained:out_sample'), plain as Float32Array)).toBeLessThan(1e-5);
    expect(largestDifference(found('old:out_sample'), old as Float32Array)).toBeLessThan(1e-5);
    expect(largestDifference(found('out_sample'), policy as Float32Array)).toBeLessThan(1e-5);
    expect(largestDifference(old as Float32Array, policy as Float32Array)).toBeGreaterThan(0.01);
    expect(largestDifference(plain as Float32Array, policy as Float32Array)).toBeGreaterThan(0.01);
  });

  it('should be the adapted model itself if B is zero, as the pretrained model is', async () => {
    const fresh = Object.fromEntries(
      Object.entries(adapterFeeds(10)).map(([name, tensor]) => [
        name,
        name.endsWith('lora_B') ? { ...tensor, data: new Float32Array(elementCount(tensor.shape)) } : tensor,
      ]),
    ) as Record<string, Tensor>;
    const outputs = await runModel(engine, addReference(adapted, model, 'pretrained'), {
      ...inputs,
      ...fresh,
    });
    expect(outputs['pretrained:out_sample']).toEqual(outputs.out_sample);
  });

  it('should hold every weight once: no byte more than the adapted model', () => {
    const graph = withBoth();
    expect(byteCount(adapted)).toBeGreaterThan(10_000);
    expect(byteCount(graph)).toBe(byteCount(adapted));
    expect([...graph.initializers.keys()].toSorted()).toEqual([...adapted.initializers.keys()].toSorted());
  });

  it('should take the adapter of the other policy as inputs, and everything else from those of the graph', () => {
    expect(new Set(withBoth().inputs.map(({ name }) => name))).toEqual(
      new Set([...Object.keys(inputs), ...parameters, ...parameters.map((name) => `old:${name}`)]),
    );
    expect(withBoth().outputs.map(({ name }) => name)).toEqual([
      'out_sample',
      'old:out_sample',
      'pretrained:out_sample',
    ]);
    expect(deadNodes(withBoth())).toEqual([]);
  });

  it('should copy only what comes after the first adapted layer', () => {
    const graph = addReference(adapted, model, 'pretrained');
    const behind = behindAdapters(model);
    const copies = graph.nodes.filter(({ name }) => name.startsWith('/pretrained/')).map(({ name }) => name);
    expect(copies).toEqual(behind.map((name) => `/pretrained/${name.replace(/^\//, '')}`));
    expect(model.nodes.length - behind.length).toBeGreaterThan(20);
    expect(behind.some((name) => name.includes('conv_in'))).toBe(false);
    // Besides copies there is the Identity that names the output.
    expect(graph.nodes.length).toBe(adapted.nodes.length + copies.length + 1);
  });

  it('should not take a node for another one of the same name', () => {
    const graphOf = (kind: 'Relu' | 'Tanh') => {
      const g = new GraphBuilder();
      const x = g.input('x', 'float32', [2]);
      const y = { ...x, name: 'y' };
      g.append({ name: 'node', op: kind, domain: '', inputs: [x], outputs: [y], attributes: {} });
      g.output(y);
      return g.build();
    };
    const both = addReference(graphOf('Relu'), graphOf('Tanh'), 'other');
    expect(both.nodes.map((node) => node.op)).toEqual(['Relu', 'Tanh', 'Identity']);
  });

  it('should not take a node for one that has other attributes', async () => {
    const graphOf = (slope: number) => {
      const g = new GraphBuilder();
      const x = g.input('x', 'float32', [2]);
      const y = { ...x, name: 'y' };
      g.append({
        name: 'node',
        op: 'LeakyRelu',
        domain: '',
        inputs: [x],
        outputs: [y],
        attributes: { alpha: float(slope) },
      });
      g.output(y);
      return g.build();
    };
    expect(addReference(graphOf(0.5), graphOf(0.5), 'other').nodes.map((node) => node.op)).toEqual([
      'LeakyRelu',
      'Identity',
    ]);
    const feeds = { x: { type: 'float32', data: Float32Array.of(-4, 4), shape: [2] } } as const;
    expect(await runModel(engine, addReference(graphOf(0.5), graphOf(0.25), 'other'), feeds)).toEqual({
      y: Float32Array.of(-2, 4),
      'other:y': Float32Array.of(-1, 4),
    });
  });

  it('should share everything if nothing differs', () => {
    const g = new GraphBuilder();
    g.output(g.input('x', 'float32', [2]).relu(), 'y');
    const graph = g.build();
    const twice = addReference(graph, graph, 'again');
    expect(twice.nodes.filter((node) => node.op === 'Relu')).toHaveLength(1);
    expect(twice.outputs.map(({ name }) => name)).toEqual(['y', 'again:y']);
  });
});
