import { float, int } from '../../../../src/models/graph/graph.js';
import {
  groupNormalization,
  instanceNormalization,
  layerNormalization,
} from '../../../../src/models/graph/ops/normalization.js';
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
    (x, scale, bias) => layerNormalization(x, scale, bias, { epsilon: 1e-5 }).normalized,
  ),
  smooth(
    'LayerNormalization',
    'axis 1 of 3',
    [real([2, 2, 3]), scaleOf([2, 3]), real([2, 3])],
    (x, scale, bias) => layerNormalization(x, scale, bias, { epsilon: 1e-5, axis: 1 }).normalized,
  ),
  smooth(
    'LayerNormalization',
    'without bias',
    [real([3, 4]), scaleOf([4])],
    (x, scale) => layerNormalization(x, scale, undefined, { epsilon: 1e-5 }).normalized,
  ),
  smooth(
    'LayerNormalization',
    'unit scale, whose own statistics are used again',
    [real([3, 4])],
    (x) => layerNormalization(x, x.graph.constant(ones(4)), undefined, { epsilon: 1e-5 }).normalized,
  ),
  smooth(
    'LayerNormalization',
    'unit scale and a bias',
    [real([3, 4]), real([4])],
    (x, bias) => layerNormalization(x, x.graph.constant(ones(4)), bias, { epsilon: 1e-5 }).normalized,
  ),
  smooth(
    'LayerNormalization',
    'one output, large epsilon, default axis',
    [real([3, 4]), scaleOf([4])],
    (x, scale) => x.graph.emit('LayerNormalization', [x, scale], { epsilon: float(0.5) }).slice(0, 1),
  ),
  smooth('InstanceNormalization', 'rows', [real([2, 3, 4]), scaleOf([3]), real([3])], (x, scale, bias) =>
    instanceNormalization(x, scale, bias, 1e-5),
  ),
  smooth(
    'InstanceNormalization',
    'pictures, large epsilon',
    [real([2, 2, 2, 3]), scaleOf([2]), real([2])],
    (x, scale, bias) => instanceNormalization(x, scale, bias, 0.1),
  ),
  ...[1, 2, 4].map((groups) =>
    smooth(
      'GroupNormalization',
      `${groups} groups of 4 channels`,
      [real([2, 4, 2, 2]), scaleOf([groups]), real([groups])],
      (x, scale, bias) =>
        x.graph.emit('GroupNormalization', [x, scale, bias], {
          num_groups: int(groups),
          epsilon: float(1e-5),
        }),
    ),
  ),
  smooth(
    'InstanceNormalization',
    'as group normalization',
    [real([2, 4, 2, 2]), scaleOf([4, 1, 1]), real([4, 1, 1])],
    (x, weight, bias) => groupNormalization(x, weight, bias, { numGroups: 2, epsilon: 1e-5 }),
  ),
];
