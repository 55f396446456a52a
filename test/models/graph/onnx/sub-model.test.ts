import { describe, expect, it } from 'vitest';
import { decodeModel } from '../../../../src/models/graph/onnx/decode.js';
import { subModel } from '../../../../src/models/graph/onnx/sub-model.js';
import { float32 } from '../../../../src/models/tensor.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { onnxFile } from '../../../fixtures/tiny-clip.js';

const both = onnxFile((g) => {
  const [left, right] = [g.input('left', 'float32', [1, 2]), g.input('right', 'float32', [1, 2])];
  const shared = g.initializer('shared', float32([2, 3], [2]));
  const alone = g.initializer('alone', float32([5, 7], [2]));
  const scaled = left.mul(shared);
  return {
    one: scaled.exp(),
    two: right.mul(shared).add(alone),
    three: scaled.neg(),
  };
});

describe('subModel', () => {
  it('should keep what an output needs, and nothing else', () => {
    const { graph } = decodeModel(subModel(both, ['one'], 'm'), 'm');
    expect(graph.node.map(({ opType }) => opType)).toEqual(['Mul', 'Exp', 'Identity']);
    expect(graph.input.map(({ name }) => name)).toEqual(['left']);
    expect(graph.initializer.map(({ name }) => name)).toEqual(['shared']);
    expect(graph.output.map(({ name }) => name)).toEqual(['one']);
  });

  it('should keep everything for all outputs', () => {
    const all = decodeModel(subModel(both, ['one', 'two', 'three'], 'm'), 'm');
    expect(all).toEqual(decodeModel(both, 'm'));
  });

  it('should say which output is not there', async () => {
    expect(await faultOf(() => subModel(both, ['one', 'four'], 'm.onnx'))).toEqual([
      'TRIB_MODEL',
      'm.onnx outputs: expected four, got one, two, three. Export it as docs/rewards.md says.',
    ]);
  });
});
