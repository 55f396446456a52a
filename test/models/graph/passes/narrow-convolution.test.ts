import { describe, expect, it } from 'vitest';
import { type Graph, text, type Value } from '../../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { type ConvolutionOptions, conv } from '../../../../src/models/graph/ops/convolution.js';
import { withCheaperConvolutions } from '../../../../src/models/graph/passes/cheaper-convolutions.js';
import { fuseForInference } from '../../../../src/models/graph/passes/fuse.js';
import { countOps, largestDifference, randomTensor, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

const engine = sharedEngine();

const X = [2, 6, 5, 7] as const;

function graphOf(kernel: readonly number[], options: ConvolutionOptions, hasBias = true): Graph {
  const g = new GraphBuilder();
  const bias = hasBias ? g.constant(randomTensor(3, kernel.slice(0, 1))) : undefined;
  g.output(conv(g.input('x', 'float32', X), g.constant(randomTensor(2, kernel)), bias, options), 'y');
  return g.build();
}

describe('a convolution with few output channels', () => {
  it.each<[string, readonly number[], ConvolutionOptions, boolean]>([
    ['the last of a denoiser', [3, 6, 3, 3], { pads: [1, 1, 1, 1] }, true],
    ['one without bias', [3, 6, 3, 3], { pads: [1, 1, 1, 1] }, false],
    ['other pads on every side', [4, 6, 3, 4], { pads: [0, 1, 2, 3] }, true],
    ['one without pads', [1, 6, 2, 3], {}, true],
  ])('should be the same as ConvTranspose: %s', async (_, kernel, options, hasBias) => {
    const graph = graphOf(kernel, options, hasBias);
    const feeds = { x: randomTensor(1, X) };
    const expected = await runModel(engine, graph, feeds);
    for (const other of [withCheaperConvolutions(graph), fuseForInference(graph)]) {
      expect(countOps(other)).toMatchObject({ ConvTranspose: 1 });
      expect(countOps(other).Conv).toBeUndefined();
      const found = await runModel(engine, other, feeds);
      expect(largestDifference(found.y as Float32Array, expected.y as Float32Array)).toBeLessThan(2e-6);
    }
  });

  it.each<[string, readonly number[], ConvolutionOptions]>([
    ['more channels', [5, 6, 3, 3], {}],
    ['a stride', [3, 6, 3, 3], { strides: [2, 1] }],
    ['dilation', [3, 6, 2, 2], { dilations: [2, 2] }],
    ['groups', [3, 2, 3, 3], { groups: 3 }],
    ['a kernel of one point', [3, 6, 1, 1], {}],
    ['pads beyond the kernel', [3, 6, 2, 2], { pads: [2, 2, 2, 2] }],
  ])('should stay as it is with %s', (_, kernel, options) => {
    const graph = graphOf(kernel, options);
    expect(withCheaperConvolutions(graph)).toEqual(graph);
  });

  it('should stay as it is where the runtime pads, and where the kernel is no constant in memory', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', X);
    const place = {
      type: 'float32',
      shape: [3, 6, 3, 3],
      folder: '/',
      location: 'weights',
      offset: 0,
    } as const;
    g.output(conv(x, g.stored('kernel', place), undefined), 'stored');
    g.output(conv(x, g.input('trained', 'float32', [3, 6, 3, 3]), undefined), 'input');
    const padded: Value = { name: 'padded', type: 'float32', shape: [2, 3, 5, 7] };
    g.append({
      name: 'padded',
      op: 'Conv',
      domain: '',
      inputs: [x, g.constant(randomTensor(2, [3, 6, 3, 3]))],
      outputs: [padded],
      attributes: { auto_pad: text('SAME_UPPER') },
    });
    g.output(padded);
    const graph = g.build();
    expect(withCheaperConvolutions(graph)).toEqual(graph);
  });
});
