import { float, int } from '../../../../src/models/graph/graph.js';
import * as op from '../../../../src/models/graph/ops/index.js';
import { float32 } from '../../../../src/models/tensor.js';
import type { OpCase } from '../op-case.js';
import { real, smooth } from '../op-case.js';

const scaleOf = (shape: readonly number[]) => real(shape, 0.5, 1.5);
const ones = (count: number) => float32(new Float32Array(count).fill(1), [count]);

export const normalizationCases: readonly OpCase[] = [
  smooth(
    'LayerNormalization',
    'last axis',
    [real([2, 2, 4]), scaleOf([4]), real([4])],
    (g, x, scale, bias) => op.layerNormalization(g, x, scale, bias, 1e-5).normalized,
  ),
  smooth(
    'LayerNormalization',
    'axis 1 of 3',
    [real([2, 2, 3]), scaleOf([2, 3]), real([2, 3])],
    (g, x, scale, bias) => op.layerNormalization(g, x, scale, bias, 1e-5, 1).normalized,
  ),
  smooth(
    'LayerNormalization',
    'without bias',
    [real([3, 4]), scaleOf([4])],
    (g, x, scale) => op.layerNormalization(g, x, scale, undefined, 1e-5).normalized,
  ),
  smooth(
    'LayerNormalization',
    'unit scale, whose own statistics are used again',
    [real([3, 4])],
    (g, x) => op.layerNormalization(g, x, g.constant(ones(4)), undefined, 1e-5).normalized,
  ),
  smooth(
    'LayerNormalization',
    'unit scale and a bias',
    [real([3, 4]), real([4])],
    (g, x, bias) => op.layerNormalization(g, x, g.constant(ones(4)), bias, 1e-5).normalized,
  ),
  smooth(
    'LayerNormalization',
    'one output, large epsilon, default axis',
    [real([3, 4]), scaleOf([4])],
    (g, x, scale) => g.emit('LayerNormalization', [x, scale], { epsilon: float(0.5) }).slice(0, 1),
  ),
  smooth('InstanceNormalization', 'rows', [real([2, 3, 4]), scaleOf([3]), real([3])], (g, x, scale, bias) =>
    op.instanceNormalization(g, x, scale, bias, 1e-5),
  ),
  smooth(
    'InstanceNormalization',
    'pictures, large epsilon',
    [real([2, 2, 2, 3]), scaleOf([2]), real([2])],
    (g, x, scale, bias) => op.instanceNormalization(g, x, scale, bias, 0.1),
  ),
  ...[1, 2, 4].map((groups) =>
    smooth(
      'GroupNormalization',
      `${groups} groups of 4 channels`,
      [real([2, 4, 2, 2]), scaleOf([groups]), real([groups])],
      (g, x, scale, bias) =>
        g.emit('GroupNormalization', [x, scale, bias], { num_groups: int(groups), epsilon: float(1e-5) }),
    ),
  ),
  smooth(
    'InstanceNormalization',
    'as group normalization',
    [real([2, 4, 2, 2]), scaleOf([4, 1, 1]), real([4, 1, 1])],
    (g, x, weight, bias) => op.groupNorm(g, x, weight, bias, 2, 1e-5),
  ),
];
