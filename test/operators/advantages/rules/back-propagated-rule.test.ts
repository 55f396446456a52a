import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import { backPropagatedRule } from '../../../../src/operators/advantages/rules/back-propagated-rule.js';
import { rewarded } from '../../groups.js';
import { expectZScoreWithoutDepths } from './z-score-without-depths.js';

/** The tree that is drawn in rollout-tree.ts. */
const drawn = { firstStep: 4, widths: [1, 2, 2, 4] };
const samplesOf = (values: readonly number[], widths: readonly number[] = drawn.widths, stdFloor = 0) =>
  backPropagatedRule({ stdFloor })(createHistory(), [
    { ...rewarded(0, 0, values), tree: { firstStep: 4, widths } },
  ]).samples;

describe('backPropagatedRule', () => {
  it('should credit each step with the mean z-score of the leaves below it', () => {
    // leaves 0, 6, 6, 8: mean 5, std 3; z -5/3, 1/3, 1/3, 1; nodes -2/3, 2/3
    const expected = [[-2, -2, -5], [1], [2, 2, 1], [3]].map((path) =>
      path.map((centered) => centered / 3.0001),
    );
    const samples = samplesOf([0, 6, 6, 8]);
    samples.forEach(({ advantage, stepAdvantages }, branch) => {
      expect(stepAdvantages).toHaveLength(expected[branch]?.length ?? Number.NaN);
      stepAdvantages?.forEach((value, step) => {
        expect(value).toBeCloseTo(expected[branch]?.[step] ?? Number.NaN, 12);
      });
      expect(advantage).toBe(stepAdvantages?.at(-1));
    });
    expect(samples).toHaveLength(4);
  });

  it('should give 0 to a trunk, and to a node whose good and bad leaves cancel', () => {
    // z -1, 1, -1, 1
    const steps = samplesOf([1, 5, 1, 5], [1, 1, 2, 4]).map(({ stepAdvantages }) => stepAdvantages);
    const leaf = 2 / 2.0001;
    for (const [branch, path] of [[0, 0, -leaf], [leaf], [0, -leaf], [leaf]].entries()) {
      for (const [step, value] of path.entries()) expect(steps[branch]?.[step]).toBeCloseTo(value, 12);
    }
  });

  it('should count and skip groups without spread', () => {
    const { samples, statistics } = backPropagatedRule({})(createHistory(), [
      { ...rewarded(0, 0, [3, 3, 3, 3]), tree: drawn },
      { ...rewarded(0, 1, [0, 6, 6, 8]), tree: drawn },
    ]);
    expect(samples.map(({ groupId }) => groupId)).toEqual(['0-1', '0-1', '0-1', '0-1']);
    expect(statistics).toMatchObject({ zeroSpreadGroups: 1, selectedBest: 3, selectedWorst: 1 });
  });

  it('should hold small differences down with a floor on the spread', () => {
    const [worst, best] = samplesOf([0, 0.2], [1, 2], 1);
    expect(worst?.advantage).toBeCloseTo(-0.1 / 1.0001, 12);
    expect(best?.advantage).toBeCloseTo(0.1 / 1.0001, 12);
  });

  it('should equal the z-score of the group where all branches fork at the root', () =>
    expectZScoreWithoutDepths(backPropagatedRule({})));

  it('should share one scale among the depths: each edge is the mean of the edges that follow it', () => {
    const rewards = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(rewards, (values) => {
        const samples = samplesOf(values, [1, 2, 4]);
        const [a, b, c, d] = samples.map(({ stepAdvantages }) => stepAdvantages ?? []);
        if (!a || !b || !c || !d) return;
        const [left = Number.NaN, right = Number.NaN] = [a[0], c[0]];
        expect(left).toBeCloseTo(((a[1] ?? Number.NaN) + (b[0] ?? Number.NaN)) / 2, 9);
        expect(right).toBeCloseTo(((c[1] ?? Number.NaN) + (d[0] ?? Number.NaN)) / 2, 9);
        expect(left + right).toBeCloseTo(0, 9);
      }),
    );
  });
});
