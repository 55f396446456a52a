import { beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../src/models/autodiff/backward.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../src/models/graph/ops/expression.js';
import { ddpoIsLoss } from '../../../src/models/objectives/ddpo-is.js';
import { float32 } from '../../../src/models/tensor.js';
import { runModel } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';

const CLIP_RANGE = 0.125;
const ADV_CLIP_MAX = 5;

/** What PPO's clipped objective gives, negated: a case with A > 0 gains nothing above 1 + e, one with A < 0 nothing below 1 - e. */
const CASES: readonly [name: string, advantage: number, ratio: number, loss: number, slope: number][] = [
  ['A > 0 at ratio 1', 2, 1, -2, -2],
  ['A > 0 inside, above 1', 2, 1.0625, -2.125, -2],
  ['A > 0 inside, below 1', 2, 0.9375, -1.875, -2],
  ['A > 0 above the range: clipped', 2, 1.25, -2.25, 0],
  ['A > 0 below the range: not clipped', 2, 0.75, -1.5, -2],
  ['A < 0 at ratio 1', -3, 1, 3, 3],
  ['A < 0 inside, above 1', -3, 1.0625, 3.1875, 3],
  ['A < 0 inside, below 1', -3, 0.9375, 2.8125, 3],
  ['A < 0 above the range: not clipped', -3, 1.25, 3.75, 3],
  ['A < 0 below the range: clipped', -3, 0.75, 2.625, 0],
  ['A = 0', 0, 1.25, 0, 0],
  ['A above advClipMax', 8, 1, -5, -5],
  ['A below -advClipMax', -8, 1, 5, 5],
  ['A above advClipMax, ratio above the range', 8, 2, -5.625, 0],
];

let engine: Engine;
let losses: Float32Array;
let slopes: Float32Array;

beforeAll(async () => {
  engine = sharedEngine();
  const g = new GraphBuilder();
  const shape = [CASES.length];
  const [ratio, advantage] = [g.input('ratio', 'float32', shape), g.input('advantage', 'float32', shape)];
  const loss = ddpoIsLoss({ ratio, advantage }, { clipRange: CLIP_RANGE, advClipMax: ADV_CLIP_MAX });
  const [slope] = gradients(g, loss.sumAll(), [ratio]) as [Expression];
  g.output(loss, 'loss');
  g.output(slope, 'slope');
  const results = await runModel(engine, g.build(), {
    ratio: float32(
      CASES.map(([, , value]) => value),
      shape,
    ),
    advantage: float32(
      CASES.map(([, value]) => value),
      shape,
    ),
  });
  losses = results.loss as Float32Array;
  slopes = results.slope as Float32Array;
});

describe('ddpoIsLoss', () => {
  it.each(CASES.map((row, index) => [...row, index] as const))(
    'should be max(-A ρ, -A clip ρ) with the gradient of PPO: %s',
    (_, __, ___, loss, slope, index) => {
      expect(losses[index]).toBeCloseTo(loss, 12);
      expect(slopes[index]).toBeCloseTo(slope, 12);
    },
  );
});
