import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import { sameDepthRule } from '../../../../src/operators/advantages/rules/same-depth-rule.js';
import { rewarded } from '../../groups.js';
import { expectZScoreWithoutDepths } from './z-score-without-depths.js';

/** The tree that is drawn in rollout-tree.ts. */
const drawn = { firstStep: 4, widths: [1, 2, 2, 4] };
const samplesOf = (values: readonly number[], widths: readonly number[] = drawn.widths, stdFloor = 0) =>
  sameDepthRule({ stdFloor })(createHistory(), [
    { ...rewarded(0, 0, values), tree: { firstStep: 4, widths } },
  ]).samples;
const stepsOf = (...given: Parameters<typeof samplesOf>) =>
  samplesOf(...given).map(({ stepAdvantages }) => stepAdvantages?.map((value) => Number(value.toFixed(9))));
const exactly = (paths: readonly (readonly number[])[]) =>
  paths.map((path) => path.map((value) => Number(value.toFixed(9))));

describe('sameDepthRule', () => {
  it('should credit each step of a path with its node, compared with the nodes of the same depth', () => {
    // depths 1 and 2: means 3 and 7 of two leaves, mean 5, std 2; leaves 0, 6, 6, 8: mean 5, std 3
    const [node, leaf] = [2 / 2.0001, (centered: number) => centered / 3.0001];
    expect(stepsOf([0, 6, 6, 8])).toEqual(
      exactly([[-node, -node, leaf(-5)], [leaf(1)], [node, node, leaf(1)], [leaf(3)]]),
    );
  });

  it('should give a sample the advantage of its leaf, and count best and worst by it', () => {
    const { samples, statistics } = sameDepthRule({})(createHistory(), [
      { ...rewarded(0, 0, [0, 6, 6, 8]), tree: drawn },
    ]);
    for (const { advantage, stepAdvantages } of samples) expect(advantage).toBe(stepAdvantages?.at(-1));
    expect(samples[1]).toMatchObject({ branch: 1, reward: 6, trajectory: '0-0/1' });
    expect(statistics).toMatchObject({ zeroSpreadGroups: 0, selectedBest: 3, selectedWorst: 1 });
  });

  it('should give 0 to a trunk, and to depths whose nodes are all equal', () => {
    // both nodes of depth 2 are worth 3; leaves 1, 5, 1, 5 have std 2
    const leaf = 2 / 2.0001;
    expect(stepsOf([1, 5, 1, 5], [1, 1, 2, 4])).toEqual(exactly([[0, 0, -leaf], [leaf], [0, -leaf], [leaf]]));
  });

  it('should count and skip groups without spread', () => {
    const { samples, statistics } = sameDepthRule({})(createHistory(), [
      { ...rewarded(0, 0, [3, 3, 3, 3]), tree: drawn },
    ]);
    expect(samples).toEqual([]);
    expect(statistics.zeroSpreadGroups).toBe(1);
  });

  it('should hold small differences down with a floor on the spread', () => {
    const leaf = 0.1 / 1.0001;
    expect(stepsOf([0, 0.2], [1, 2], 1)).toEqual(exactly([[-leaf], [leaf]]));
  });

  it('should equal the z-score of the group where all branches fork at the root', () =>
    expectZScoreWithoutDepths(sameDepthRule({})));

  it('should weigh all depths alike: the squares of a depth whose nodes differ have mean 1', () => {
    const rewards = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 8, maxLength: 8 });
    const widths = [1, 2, 4, 8];
    fc.assert(
      fc.property(rewards, (values) => {
        const samples = samplesOf(values, widths);
        widths.slice(1).forEach((width, index) => {
          // Paths end at the leaves: the edge of depth d is the (edges - d)-th from the end.
          const atDepth = samples.flatMap(
            ({ stepAdvantages }) => stepAdvantages?.slice().reverse()[widths.length - 2 - index] ?? [],
          );
          if (samples.length > 0) expect(atDepth).toHaveLength(width);
          expect(atDepth.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 6);
          const square = atDepth.reduce((sum, value) => sum + value ** 2, 0) / width;
          if (square > 1e-6) expect(square).toBeCloseTo(1, 2);
        });
      }),
    );
  });

  it('should not change when the halves of the tree change places', () => {
    const half = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 2, maxLength: 2 });
    fc.assert(
      fc.property(half, half, (left, right) => {
        const [a = [], b = [], c = [], d = []] = stepsOf([...left, ...right]);
        if (a.length > 0) expect(stepsOf([...right, ...left])).toEqual([c, d, a, b]);
      }),
    );
  });

  it('should refuse a tree that does not belong to the rewards', () => {
    expect(() => samplesOf([1, 2, 3])).toThrow(/expected 4 rewards, one per leaf, got 3/);
  });
});
