import { describe, expect, it } from 'vitest';
import type { WatchedFigures } from '../../../src/streams/guards/guard-spec.js';
import { GUARD_NAMES, GUARDS, type GuardName } from '../../../src/streams/guards/index.js';
import type { PromptSetEvaluation, RoundMetrics } from '../../../src/streams/messages/run-events.js';
import { evaluation, roundMetrics } from '../example-metrics.js';

const rounds = (...changes: Partial<RoundMetrics>[]): WatchedFigures[] =>
  changes.map((change, index) => ({ kind: 'round', ...roundMetrics(index, change) }));
const evaluations = (
  list: 'train' | 'heldOut',
  ...changes: Partial<PromptSetEvaluation>[]
): WatchedFigures[] =>
  changes.map((change, index) => ({ kind: 'evaluation', ...evaluation(index + 1, { [list]: change }) }));

/** What a guard says of figures in turn, rounded to nine decimals. */
function valuesOf(
  name: GuardName,
  figures: readonly WatchedFigures[],
  base = evaluation(0),
): (number | null)[] {
  const measure = GUARDS[name].start(base);
  return figures.map((one) => {
    const value = measure(one);
    return value === null ? null : Math.round(value * 1e9) / 1e9;
  });
}

const withReward = (rewardMean: number | null, rewardStd: number | null = 9) => ({ rewardMean, rewardStd });

describe('rewardCollapse', () => {
  it('should measure the fall below the best round in units of the first', () => {
    const figures = rounds(
      withReward(0.5, 0.2),
      withReward(0.9),
      withReward(0.6),
      withReward(1),
      withReward(0.6),
    );
    // (0.9 - 0.6) / 0.2, then (1 - 0.6) / 0.2.
    expect(valuesOf('rewardCollapse', figures)).toEqual([0, 0, 1.5, 0, 2]);
  });

  it('should wait for rewards that differ, and pass over rounds that were lost', () => {
    const figures = rounds(
      withReward(null, null),
      withReward(0.5, 0),
      withReward(0.4, 0.1),
      withReward(null, null),
      withReward(0.3, 9),
    );
    expect(valuesOf('rewardCollapse', figures)).toEqual([null, null, 1, null, 2]);
  });
});

describe('ratioDrift', () => {
  it('should be the mean deviation of the ratio', () => {
    const figures = rounds({ meanRatioDeviation: 0 }, { meanRatioDeviation: 0.25, maxRatioDeviation: 0.5 });
    expect(valuesOf('ratioDrift', figures)).toEqual([0, 0.25]);
  });
});

describe('klToPretrained', () => {
  it('should be the measured KL, where there is one', () => {
    const figures = rounds({ klToPretrained: null }, { klToPretrained: 12.5 });
    expect(valuesOf('klToPretrained', figures)).toEqual([null, 12.5]);
  });
});

describe('zeroSpreadGroups', () => {
  it('should be the share of the groups that were scored', () => {
    const figures = rounds(
      { zeroSpreadGroups: 6, groups: 8, lostGroups: 2 },
      { zeroSpreadGroups: 0, groups: 0, lostGroups: 10 },
    );
    expect(valuesOf('zeroSpreadGroups', figures)).toEqual([0.75, null]);
  });
});

describe('diversityLoss', () => {
  it('should be the share that training prompts have lost of the base', () => {
    const base = evaluation(0, { train: { diversity: 0.4 }, heldOut: { diversity: 9 } });
    const figures = evaluations('train', { diversity: 0.4 }, { diversity: 0.1 }, { diversity: 0.5 });
    expect(valuesOf('diversityLoss', figures, base)).toEqual([0, 0.75, -0.25]);
  });

  it('should say nothing where the base model has none', () => {
    const base = evaluation(0, { train: { diversity: 0 } });
    expect(valuesOf('diversityLoss', evaluations('train', { diversity: 0.1 }), base)).toEqual([null]);
  });

  it('should say nothing where diversity is not measured', () => {
    const unmeasured = evaluations('train', { diversity: null }, { diversity: 0.1 });
    const base = (diversity: number | null) => evaluation(0, { train: { diversity } });
    expect(valuesOf('diversityLoss', unmeasured, base(null))).toEqual([null, null]);
    expect(valuesOf('diversityLoss', unmeasured, base(0.1))).toEqual([null, 0]);
  });
});

describe('rewardVerifierDivergence', () => {
  const base = evaluation(0, { heldOut: { rewardMean: 0.3, verifiedAlignment: 0.5 } });

  it('should be the fall of the alignment while the reward is above the base', () => {
    const figures = evaluations(
      'heldOut',
      { rewardMean: 0.4, verifiedAlignment: 0.375 },
      { rewardMean: 0.4, verifiedAlignment: 0.75 },
      { rewardMean: 0.3, verifiedAlignment: 0.25 },
    );
    expect(valuesOf('rewardVerifierDivergence', figures, base)).toEqual([0.125, -0.25, 0]);
  });

  it('should say nothing without a verifier', () => {
    const figures = evaluations('heldOut', { rewardMean: 0.4, verifiedAlignment: null });
    expect(valuesOf('rewardVerifierDivergence', figures, base)).toEqual([null]);
    const unverified = evaluation(0, { heldOut: { verifiedAlignment: null } });
    const verified = evaluations('heldOut', { rewardMean: 0.4, verifiedAlignment: 0.1 });
    expect(valuesOf('rewardVerifierDivergence', verified, unverified)).toEqual([null]);
  });
});

const ofGold = (rewardMean: number, ...means: readonly number[]) => ({
  rewardMean,
  gold: Object.fromEntries(means.map((mean, index) => [`gold${index}`, { mean, std: 0.5 }])),
});

describe('goldFall', () => {
  const base = evaluation(0, { heldOut: ofGold(1, 4, 4) });

  it('should be the largest fall below the best so far, while the trained reward is above that of then', () => {
    const figures = evaluations(
      'heldOut',
      ofGold(2, 5, 4),
      ofGold(3, 4.5, 3.75),
      ofGold(1.5, 4, 3.75),
      ofGold(1.5, 4, 5),
      ofGold(9, 6, 6),
    );
    // From 5 to 4.5 in units of 0.5; then the reward is below that of the first peak, and the second has not moved on.
    expect(valuesOf('goldFall', figures, base)).toEqual([0, 1, 0.5, 0, 0]);
  });

  it('should say nothing without gold rewards, or where the base model has one value of them', () => {
    const figures = evaluations('heldOut', ofGold(2, 1), { rewardMean: 2 });
    expect(valuesOf('goldFall', figures)).toEqual([null, null]);
    const flat = { rewardMean: 1, gold: { gold0: { mean: 4, std: 0 } } };
    expect(valuesOf('goldFall', figures, evaluation(0, { heldOut: flat }))).toEqual([null, null]);
    expect(valuesOf('goldFall', figures, base)).toEqual([6, null]);
  });
});

const ofPictures = (edges: number, size: number, std = 0.5): Partial<PromptSetEvaluation> => ({
  pictures: {
    edgeDensity: { mean: edges, std },
    colorEntropy: { mean: 3, std: 0 },
    brightness: { mean: 0.5, std: 0.1 },
    jpegKilobytes: { mean: size, std: 2 },
  },
});

describe('pictureDrift', () => {
  const base = evaluation(0, { train: ofPictures(1, 10) });

  it('should be the largest distance of a statistic from the base model, either way', () => {
    const figures = evaluations('train', ofPictures(1, 10), ofPictures(0.25, 11), ofPictures(1, 18));
    expect(valuesOf('pictureDrift', figures, base)).toEqual([0, 1.5, 4]);
  });

  it('should leave out what all pictures of the base model share, and say nothing where it is not measured', () => {
    const flat = evaluation(0, { train: ofPictures(1, 10, 0) });
    expect(valuesOf('pictureDrift', evaluations('train', ofPictures(9, 12)), flat)).toEqual([1]);
    expect(valuesOf('pictureDrift', evaluations('train', {}), base)).toEqual([null]);
    expect(valuesOf('pictureDrift', evaluations('train', ofPictures(1, 1)))).toEqual([null]);
  });
});

describe.each(GUARD_NAMES)('the guard %s', (name) => {
  it('should look at rounds or at evaluations, not at both', () => {
    const round = rounds({ klToPretrained: 1 });
    const measured = evaluation(1, { train: ofPictures(1, 10), heldOut: ofGold(0.3, 4) });
    const evaluated: WatchedFigures[] = [{ kind: 'evaluation', ...measured }];
    const looksAt = [round, evaluated].map((figures) => valuesOf(name, figures, measured)[0] !== null);
    expect(looksAt).toContain(true);
    expect(looksAt).toContain(false);
  });

  it('should not raise an alarm over a healthy run by default', () => {
    const healthy = [...rounds({}, {}, {}), ...evaluations('heldOut', {})];
    for (const value of valuesOf(name, healthy))
      expect(value ?? 0).toBeLessThanOrEqual(GUARDS[name].threshold.default);
  });
});
