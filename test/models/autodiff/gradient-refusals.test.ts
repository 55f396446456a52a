/** @file Attributes under which a rule would be wrong: an error, not a wrong gradient. Loaded models may carry them. */

import { describe, expect, it } from 'vitest';
import { gradients } from '../../../src/models/autodiff/backward.js';
import type { Attributes, Value } from '../../../src/models/graph/graph.js';
import { int, ints, text } from '../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';

interface Refusal {
  readonly op: string;
  readonly inputs: readonly (readonly number[])[];
  readonly output: readonly number[];
  readonly attributes: Attributes;
  readonly message: RegExp;
}

const X = [1, 2, 4, 4];
const nearest = (coordinates: string, rounding: string): Attributes => ({
  mode: text('nearest'),
  coordinate_transformation_mode: text(coordinates),
  nearest_mode: text(rounding),
});
const UPSAMPLED =
  /^Resize "node": expected nearest-neighbor upsampling that repeats every element equally often, got mode (nearest|linear), coordinates \w+, rounding \w+ from \[1, 2, 4, 4\] to /;

const REFUSALS: readonly Refusal[] = [
  {
    op: 'Resize',
    inputs: [X],
    output: [1, 2, 8, 8],
    attributes: { mode: text('linear') },
    message: UPSAMPLED,
  },
  {
    op: 'Resize',
    inputs: [X],
    output: [1, 2, 6, 6],
    attributes: nearest('asymmetric', 'floor'),
    message: UPSAMPLED,
  },
  {
    op: 'Resize',
    inputs: [X],
    output: [1, 2, 2, 2],
    attributes: nearest('asymmetric', 'floor'),
    message: UPSAMPLED,
  },
  {
    op: 'Resize',
    inputs: [X],
    output: [1, 2, 12, 12],
    attributes: nearest('asymmetric', 'round_prefer_floor'),
    message: UPSAMPLED,
  },
  {
    op: 'Resize',
    inputs: [X],
    output: [1, 2, 8, 8],
    attributes: nearest('asymmetric', 'ceil'),
    message: UPSAMPLED,
  },
  {
    op: 'Resize',
    inputs: [X],
    output: [1, 2, 8, 8],
    attributes: nearest('half_pixel', 'floor'),
    message: UPSAMPLED,
  },
  {
    op: 'Resize',
    inputs: [X],
    output: [1, 2, 12, 12],
    attributes: nearest('align_corners', 'floor'),
    message: UPSAMPLED,
  },
  {
    op: 'Resize',
    inputs: [X],
    output: [1, 2, 8, 8],
    attributes: nearest('tf_crop_and_resize', 'floor'),
    message: UPSAMPLED,
  },
  {
    op: 'Conv',
    inputs: [X, [2, 2, 3, 3]],
    output: X,
    attributes: { auto_pad: text('SAME_UPPER') },
    message: /^Conv "node": expected explicit pads, got auto_pad SAME_UPPER\./,
  },
  {
    op: 'ConvTranspose',
    inputs: [X, [2, 2, 3, 3]],
    output: [1, 2, 8, 8],
    attributes: { output_shape: ints([8, 8]) },
    message: /^ConvTranspose "node": expected explicit pads, got output_shape\./,
  },
  {
    op: 'AveragePool',
    inputs: [X],
    output: X,
    attributes: { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) },
    message: /^AveragePool "node": expected no padding and ceil_mode 0, got pads \[1, 1, 1, 1\]/,
  },
  {
    op: 'AveragePool',
    inputs: [X],
    output: [1, 2, 2, 2],
    attributes: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), ceil_mode: int(1) },
    message: /ceil_mode/,
  },
  {
    op: 'ScatterND',
    inputs: [X, [1, 1], X],
    output: X,
    attributes: {},
    message: /^ScatterND "node": expected reduction add along the first axis, got reduction none\./,
  },
  {
    op: 'Pad',
    inputs: [X],
    output: [1, 2, 6, 6],
    attributes: { mode: text('reflect') },
    message: /^Pad "node": expected mode constant, got reflect\./,
  },
  {
    op: 'Slice',
    inputs: [X, [1], [1]],
    output: [1, 2, 2, 4],
    attributes: {},
    message: /^Slice "node": expected a constant at input 1, got a computed one\./,
  },
];

describe('gradient rules', () => {
  it.each(
    REFUSALS.map((refusal) => [refusal.op, Object.keys(refusal.attributes).join(', '), refusal] as const),
  )('should refuse %s with %s', (_op, _attributes, refusal) => {
    const g = new GraphBuilder();
    const inputs = refusal.inputs.map((shape, i) => g.input(`x${i}`, 'float32', shape));
    const output: Value = { name: 'y', type: 'float32', shape: refusal.output };
    g.append({
      name: 'node',
      op: refusal.op,
      domain: '',
      inputs,
      outputs: [output],
      attributes: refusal.attributes,
    });
    expect(() => gradients(g, g.expression(output).sumAll(), inputs.slice(0, 1))).toThrowError(
      expect.objectContaining({ code: 'TRIB_NO_GRADIENT', message: expect.stringMatching(refusal.message) }),
    );
  });
});
