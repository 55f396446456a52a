/** @file Gradients of a forward pass that is computed twice: the same numbers, and nothing made again before it is due. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
import type { Graph, Node } from '../../../src/models/graph/graph.js';
import { adapterFeeds } from '../../../src/models/graph/weights/policy-feeds.js';
import type { SurrogateSettings } from '../../../src/models/objectives/index.js';
import { buildPolicyGraph, type PolicyGraph } from '../../../src/models/policy/policy-graph.js';
import { elementCount, float32Data, int64, type Tensor } from '../../../src/models/tensor.js';
import { type OpenTiny, openTiny, randomAdapter, TINY_LORA, TINY_TRAINER } from '../../fixtures/open-tiny.js';
import { largestDifference, randomTensor } from '../../fixtures/run-model.js';

let tiny: OpenTiny;
beforeAll(async () => {
  tiny = await openTiny();
});
afterAll(() => tiny.close());

const build = (gradientCheckpointing: 'off' | 'blocks', settings: Partial<typeof TINY_TRAINER> = {}) =>
  buildPolicyGraph(tiny.engine, tiny.pipeline, { ...TINY_TRAINER, ...settings, gradientCheckpointing });

const isRepeated = ({ name }: Node) => name.endsWith('_again');

/** Names of the values that are made of a gradient. */
function madeOfGradients(graph: Graph): Set<string> {
  const made = new Set<string>();
  for (const node of graph.nodes) {
    const isOne =
      node.name.startsWith('/gradient/') || node.inputs.some((input) => input && made.has(input.name));
    if (isOne) for (const { name } of node.outputs) made.add(name);
  }
  return made;
}

async function results({ graph, adapters }: PolicyGraph) {
  const executable = await compileGraph(tiny.engine, graph, { label: 'policy' });
  const parameters = adapterFeeds(adapters, randomAdapter(adapters, 0.3), TINY_LORA.rank);
  const rows = graph.inputs.map(({ name, type, shape }, index): [string, Tensor] => {
    if (type === 'int64')
      return [
        name,
        int64(
          Array.from({ length: shape[0] ?? 1 }, () => 321),
          shape,
        ),
      ];
    if (name === 'stdDevT')
      return [name, { ...randomTensor(0, shape), data: new Float32Array(shape[0] ?? 1).fill(0.4) }];
    return [name, randomTensor(index + 1, shape)];
  });
  const outputs = await executable.run({ ...Object.fromEntries(rows), ...parameters });
  await executable.release();
  return outputs;
}

describe('gradient checkpointing', () => {
  it.each<SurrogateSettings>([
    { type: 'ddpo-is', clipRange: 0.5, advClipMax: 5 },
    { type: 'dpok', rewardWeight: 10, klWeight: 0.1, kl: 'exact', clipRange: 0.5 },
  ])('should leave loss and gradients of $type as they are', async (surrogate) => {
    const [kept, repeated] = [await build('off', { surrogate }), await build('blocks', { surrogate })];
    expect(kept.graph.nodes.some(isRepeated)).toBe(false);
    expect(repeated.graph.nodes.filter(isRepeated).length).toBeGreaterThan(100);
    const [expected, found] = [await results(kept), await results(repeated)];
    expect(Object.keys(found)).toEqual(Object.keys(expected));
    for (const name of Object.keys(expected)) {
      const wanted = float32Data(expected[name], name);
      if (name.startsWith('gradient:'))
        expect(
          wanted.some((value) => value !== 0),
          name,
        ).toBe(true);
      expect(largestDifference(float32Data(found[name], name), wanted), name).toBeLessThan(1e-5);
    }
  });

  it('should let everything that is made again wait for the gradient that it is needed for', async () => {
    const { graph } = await build('blocks');
    const made = madeOfGradients(graph);
    const constants = graph.initializers;
    for (const node of graph.nodes.filter(isRepeated)) {
      const inputs = node.inputs.filter((input) => input && !constants.has(input.name));
      expect(
        inputs.every((input) => input && made.has(input.name)),
        node.name,
      ).toBe(true);
    }
  });

  it('should keep between passes only what goes from block to block', async () => {
    const { graph } = await build('blocks');
    const made = madeOfGradients(graph);
    const block = /(down_blocks\.\d+|mid_block|up_blocks\.\d+)\/(resnets|attentions)\.\d+/;
    const blockOf = new Map(
      graph.nodes.flatMap((node) => node.outputs.map(({ name }) => [name, block.exec(node.name)?.[0]])),
    );
    // A value of the first pass that the backward pass reads must be one that another block, or the loss, reads too.
    const inside = new Set<string>();
    for (const node of graph.nodes) {
      const isBackward = node.outputs.some(({ name }) => made.has(name));
      for (const input of node.inputs) {
        const from = input && !made.has(input.name) ? blockOf.get(input.name) : undefined;
        if (input && from !== undefined && isBackward && !/Where/.test(node.op)) inside.add(input.name);
      }
    }
    expect([...inside]).toEqual([]);
  });
});

describe('attention with large scores', () => {
  it('should keep what it gives, and make its scores again in pieces', async () => {
    const { graph } = await build('blocks', { minibatchSize: 4096 });
    const softmaxes = graph.nodes.filter(({ name, op }) => op === 'Softmax' && name.includes('attn1'));
    const [all, mostOfPiece] = [8192 * 2 * 64 * 64, 2 ** 24];
    for (const { outputs } of softmaxes) expect(elementCount(outputs[0]?.shape ?? [])).toBe(mostOfPiece);
    const isBackward = ({ name }: Node) => name.startsWith('/gradient/');
    const piecesOfThree = (3 * all) / mostOfPiece;
    expect(softmaxes.filter(isBackward)).toHaveLength(piecesOfThree);
    expect(softmaxes.filter((node) => !isBackward(node))).toHaveLength(piecesOfThree);
  });
});
