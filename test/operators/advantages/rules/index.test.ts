import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import { pathNodes } from '../../../../src/operators/advantages/edge-credited-samples.js';
import {
  ADVANTAGE_RULES,
  type AdvantageRuleSettings,
  createAdvantageRule,
  selectableBranches,
} from '../../../../src/operators/advantages/rules/index.js';
import { closeRound } from '../../../../src/operators/gathering/round-batch.js';
import { LARGEST_MAGNITUDE } from '../../../../src/operators/records/reward-fault.js';
import { rewarded } from '../../groups.js';

const defaultsOf = ({ name, fields }: (typeof ADVANTAGE_RULES.entries)[number]) =>
  ({ rule: name, ...z.object(fields).parse({}) }) as AdvantageRuleSettings;
const tree = { firstStep: 4, widths: [1, 2, 2, 4] };
const differing = { ...rewarded(0, 0, [0, 6, 6, 8]), tree };
const equal = { ...rewarded(0, 1, [2, 2, 2, 2], 'a blue square'), tree };

describe.each(ADVANTAGE_RULES.entries.map((spec) => [spec.name, spec] as const))('the rule %s', (_, spec) => {
  const settings = defaultsOf(spec);
  const rule = createAdvantageRule(settings);

  it('should describe every setting and have a default for it', () => {
    expect(Object.values(spec.fields).every((field) => field.description)).toBe(true);
  });

  it('should select at most as many samples as it says', () => {
    const { samples } = rule(createHistory(), [differing]);
    expect(samples.length).toBeGreaterThan(0);
    expect(samples.length).toBeLessThanOrEqual(selectableBranches(settings, 4));
    expect(selectableBranches(settings, 4)).toBeLessThanOrEqual(4);
  });

  it('should give every step of a path an advantage of its own if and only if it credits edges', () => {
    for (const { branch, stepAdvantages } of rule(createHistory(), [differing]).samples) {
      expect(stepAdvantages?.length).toBe(spec.creditsEdges ? pathNodes(tree, branch).length : undefined);
    }
  });

  it('should have finite figures at the bounds of what a reward may be', () => {
    const bound = LARGEST_MAGNITUDE;
    const rewardsOf = fc.array(fc.constantFrom(bound, -bound, bound - 0.125, 0, 1e-300, 1), {
      minLength: 4,
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.array(rewardsOf, { minLength: 1, maxLength: 64 }), (groups) => {
        const round = groups.map((values, index) => ({ ...rewarded(0, index, values), tree }));
        const closed = closeRound({ round: 0, groupsPerRound: 64, outcomes: round }, rule, createHistory());
        const later = closeRound({ round: 1, groupsPerRound: 64, outcomes: round }, rule, closed.state);
        for (const { batch } of [closed, later]) {
          for (const { advantage, stepAdvantages } of batch.samples)
            for (const value of [advantage, ...(stepAdvantages ?? [])])
              expect(Math.fround(value)).toSatisfy(Number.isFinite);
          const { rewardMean, rewardStd, intraGroupCorrelation } = batch.statistics;
          for (const value of [rewardMean, rewardStd, intraGroupCorrelation ?? 0])
            expect(value).toSatisfy(Number.isFinite);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('should train on a group without spread, or a branch on its own, only if it does not compare branches', () => {
    const alone = rewarded(0, 2, [5], 'a green star');
    const { samples, statistics } = rule(createHistory(), [equal, alone]);
    expect(samples.map(({ groupId }) => groupId)).toEqual(
      spec.comparesBranches ? [] : ['0-1', '0-1', '0-1', '0-1', '0-2'],
    );
    expect(statistics.zeroSpreadGroups).toBe(1);
  });
});

describe('createAdvantageRule', () => {
  it('should pass the settings on', () => {
    const rule = createAdvantageRule({ rule: 'reward', center: 1, scale: 2 });
    const [sample] = rule(createHistory(), [rewarded(0, 0, [4])]).samples;
    expect(sample?.advantage).toBe(1.5);
  });

  it('should know rules of different names', () => {
    expect(new Set(ADVANTAGE_RULES.entries.map(({ name }) => name)).size).toBe(
      ADVANTAGE_RULES.entries.length,
    );
  });
});

describe('selectableBranches', () => {
  it.each([
    [
      'both extremes',
      { rule: 'history' as const, bestThreshold: 0, worstThreshold: 0, historyRounds: 8, stdFloor: 0 },
      2,
    ],
    [
      'both extremes of a centered group',
      {
        rule: 'branch-centered' as const,
        minGap: 0,
        keep: 'extremes' as const,
        historyRounds: 8,
        stdFloor: 0,
      },
      2,
    ],
    [
      'all of a centered group',
      { rule: 'branch-centered' as const, minGap: 0, keep: 'all' as const, historyRounds: 8, stdFloor: 0 },
      5,
    ],
    ['all of a z-scored group', { rule: 'group-z-score' as const, std: 'group' as const, stdFloor: 0 }, 5],
  ])('should count %s', (_, settings, expected) => {
    expect(selectableBranches(settings, 5)).toBe(expected);
    expect(selectableBranches(settings, 1)).toBe(1);
  });
});
