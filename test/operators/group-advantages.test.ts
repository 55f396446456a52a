import fc from 'fast-check';
import { delay, EMPTY, from, map, merge, NEVER, of, takeUntil, timer, toArray } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { branchCentredRule } from '../../src/operators/branch-centred-rule.js';
import { type GroupAdvantagesOptions, groupAdvantages } from '../../src/operators/group-advantages.js';
import { historyRule } from '../../src/operators/history-rule.js';
import type { LostGroup, RewardedGroup } from '../../src/operators/records.js';
import type { ClosedStage } from '../../src/operators/stage-batch.js';
import { interval, lost, rewarded } from './groups.js';
import { type MarbleHelpers, marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

type Outcome = RewardedGroup<string> | LostGroup;

const plain: GroupAdvantagesOptions = {
  rule: branchCentredRule({ minGap: 0, keep: 'extremes' }),
  groupsPerStage: 2,
  maxOpenStages: 2,
};
const inputs: Record<string, Outcome> = {
  a: rewarded(0, 0, [0, 1]),
  b: rewarded(0, 1, [1, 5]),
  c: rewarded(1, 0, [2, 0]),
  d: rewarded(1, 1, [3, 3]),
  e: rewarded(2, 0, [3, 3]),
  f: rewarded(0, 2, [3, 3]),
  l: lost(0, 1),
  m: lost(0, 0),
};
const run = (outcomes: readonly Outcome[], options = plain): ClosedStage<string>[] => {
  let stages: ClosedStage<string>[] = [];
  from(outcomes)
    .pipe(groupAdvantages<string>(options), toArray())
    .subscribe((all) => {
      stages = all;
    });
  return stages;
};
const named = (letters: string) => Array.from(letters, (letter) => inputs[letter] as Outcome);
const [first, second] = run(named('abcd'));

describeOperator('groupAdvantages', {
  create: () => groupAdvantages<string>(plain),
  inputs,
  outputs: { x: first, y: second },
  source: '-a-b-cd-|',
  result: '---x--y-|',
  synchronous: named('ab'),
});

describe('groupAdvantages', () => {
  it('should describe the stage that it closes', () => {
    expect(first).toMatchObject({
      trainingStage: 0,
      groupIds: ['0-0', '0-1'],
      batch: {
        trainingStage: 0,
        interval: interval(0),
        policyVersion: 0,
        statistics: {
          groups: 2,
          lostGroups: 0,
          staleGroups: 0,
          lateGroups: 0,
          ages: [2],
          rewardMean: 1.75,
          rewardStd: Math.sqrt(3.6875),
          zeroSpreadGroups: 0,
          selectedBest: 2,
          selectedWorst: 2,
        },
      },
      state: { prompts: [{ prompt: 'a red circle', scores: [[0, 1, 1, 5]] }] },
    });
    expect(second?.state.prompts).toEqual([
      {
        prompt: 'a red circle',
        scores: [
          [0, 1, 1, 5],
          [2, 0, 3, 3],
        ],
      },
    ]);
  });

  it('should emit stages in order, whichever closes first', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a-cd-b---|', inputs);
      const expected = '      -----(xy)|';
      expectObservable(source$.pipe(groupAdvantages<string>(plain))).toBe(expected, { x: first, y: second });
      expectSubscriptions(source$.subscriptions).toBe('^--------!');
    }));

  it('should not emit a stage that is incomplete when the source completes', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('  -ab-c-|', inputs);
      const expected = '      --x---|';
      expectObservable(source$.pipe(groupAdvantages<string>(plain))).toBe(expected, { x: first });
    }));

  it('should count a lost group as an outcome, and drop what comes twice or too late', () => {
    const [stage] = run(named('aallbaba'));
    expect(stage?.batch.statistics).toMatchObject({ groups: 1, lostGroups: 1, rewardMean: 0.5 });
    expect(stage?.batch.samples.map(({ groupId }) => groupId)).toEqual(['0-0', '0-0']);
    expect(run(named('aallbaba'))).toHaveLength(1);
  });

  it('should tell stale groups from those lost otherwise, and how old the others are', () => {
    const [, stage] = run([
      ...named('ab'),
      { ...rewarded(1, 0, [2, 0]), policyVersion: 0 },
      { ...lost(1, 1), reason: 'dead-letter' },
    ]);
    expect(stage?.batch.statistics).toMatchObject({ lostGroups: 1, staleGroups: 0, ages: [0, 1] });
  });

  it('should count the first of two outcomes, also in a stage that is full and waits', () => {
    expect(run(named('amb'))[0]).toEqual(first);
    expect(run(named('cddcab'))).toEqual([first, second]);
  });

  it('should not open a stage again for a late outcome', () => {
    expect(run(named('ababcd'), { ...plain, maxOpenStages: 1 })).toEqual([first, second]);
  });

  it('should close a stage that lost everything, with an empty batch', () => {
    const [stage] = run(named('lm'));
    expect(stage).toEqual({
      trainingStage: 0,
      groupIds: [],
      batch: {
        trainingStage: 0,
        interval: null,
        policyVersion: null,
        samples: [],
        statistics: {
          groups: 0,
          lostGroups: 2,
          staleGroups: 2,
          lateGroups: 0,
          ages: [],
          rewardMean: null,
          rewardStd: null,
          zeroSpreadGroups: 0,
          selectedBest: 0,
          selectedWorst: 0,
          intraGroupCorrelation: null,
        },
      },
      state: { prompts: [] },
    });
  });

  it('should give the oldest policy version of the stage', () => {
    const old = { ...rewarded(3, 0), policyVersion: 2 };
    const [stage] = run([rewarded(3, 1), old], { ...plain, firstTrainingStage: 3 });
    expect(stage?.batch.policyVersion).toBe(2);
  });

  it('should go on from a checkpoint as if it had never stopped', () => {
    const state = JSON.parse(JSON.stringify(first?.state));
    const resumed = run(named('bcda'), { ...plain, firstTrainingStage: 1, initialState: state });
    expect(resumed).toEqual([second]);
  });

  it('should give the same stages whatever the order of arrival', () => {
    const outcomes = Array.from({ length: 15 }, (_, index) => {
      const stage = Math.floor(index / 5);
      if (index % 7 === 3) return lost(stage, index % 5);
      const values = [0.1 * index, 0.37 * (index % 4), 0.2].map((value) => value / 3);
      return rewarded(stage, index % 5, values, index % 2 ? 'p' : 'q');
    });
    const options = {
      rule: historyRule({ bestThreshold: 0.2, worstThreshold: -0.2 }),
      groupsPerStage: 5,
      maxOpenStages: 3,
    };
    const inOrder = run(outcomes, options);
    expect(inOrder).toHaveLength(3);
    fc.assert(
      fc.property(fc.shuffledSubarray(outcomes, { minLength: outcomes.length }), (shuffled) => {
        expect(run(shuffled, options)).toEqual(inOrder);
      }),
    );
  });

  it('should err when one more stage would open', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a-c-e-', inputs);
      const expected = '      ----#';
      const result$ = source$.pipe(groupAdvantages<string>(plain));
      expectObservable(result$).toBe(expected, undefined, { code: 'TRIB_OVERFLOW' });
      expectSubscriptions(source$.subscriptions).toBe('^---!');
    }));

  it('should err when a waiting stage has more groups than it should', () => {
    let fault: unknown;
    of(...named('abf'))
      .pipe(groupAdvantages<string>({ ...plain, groupsPerStage: 2, firstTrainingStage: 0, maxOpenStages: 2 }))
      .subscribe({ error: (error: unknown) => (fault = error) });
    // stage 0 is out when f comes: late outcomes are dropped
    expect(fault).toBeUndefined();
    of(...[rewarded(1, 0), rewarded(1, 1), rewarded(1, 2)])
      .pipe(groupAdvantages<string>(plain))
      .subscribe({ error: (error: unknown) => (fault = error) });
    expect(fault).toMatchObject({ code: 'TRIB_OPERATOR', message: expect.stringContaining('group 1-2') });
  });

  it('should err when groups of one stage forked for different intervals', () => {
    let fault: unknown;
    of(rewarded(0, 0), { ...rewarded(0, 1), interval: interval(1) })
      .pipe(groupAdvantages<string>(plain))
      .subscribe({ error: (error: unknown) => (fault = error) });
    expect(fault).toMatchObject({
      code: 'TRIB_OPERATOR',
      groupId: '0-1',
      message: expect.stringContaining('discardStale'),
    });
  });

  it('should send a throw of the rule to the error channel', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('-a-b-|', inputs);
      const expected = '    ---#';
      const rule = () => {
        throw new Error('broken rule');
      };
      const result$ = source$.pipe(groupAdvantages<string>({ ...plain, rule }));
      expectObservable(result$).toBe(expected, undefined, new Error('broken rule'));
    }));

  it('should refuse counts that are none', () => {
    expect(() => groupAdvantages({ ...plain, groupsPerStage: 0 })).toThrow(/`groupsPerStage`/);
    expect(() => groupAdvantages({ ...plain, maxOpenStages: 0 })).toThrow(/`maxOpenStages`/);
    expect(() => groupAdvantages({ ...plain, firstTrainingStage: -1 })).toThrow(/`firstTrainingStage`/);
    expect(() => groupAdvantages({ ...plain, closeAfterMs: 0 })).toThrow(/`closeAfterMs`/);
  });
});

describe('groupAdvantages, closing by time', () => {
  const closeAfterMs = 4;
  const summaryOf = ({ trainingStage, groupIds, batch }: ClosedStage<string>) => {
    const { lostGroups, lateGroups } = batch.statistics;
    return `${trainingStage}: ${groupIds.join(' ')} lost ${lostGroups} late ${lateGroups}`;
  };
  const timed = ({ scheduler }: MarbleHelpers, options = plain) =>
    groupAdvantages<string>({ ...options, closeAfterMs, scheduler });

  describeOperator('groupAdvantages with a clock', {
    create: (helpers) => timed(helpers),
    inputs,
    outputs: { x: first, y: second },
    source: '-a-b-cd-|',
    result: '---x--y-|',
    synchronous: named('ab'),
  });

  it('should close with what is there, count the rest as late, and drop it when it comes', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('-a----b--c----|', inputs);
      const expected = '            -----x-------y|';
      helpers.expectObservable(source$.pipe(timed(helpers), map(summaryOf))).toBe(expected, {
        x: '0: 0-0 lost 0 late 1',
        y: '1: 1-0 lost 0 late 1',
      });
    }));

  it('should count from the first rewarded group, and not start anew with the next one', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('l--a-f-----|', inputs);
      const expected = '            -------x---|';
      const result$ = source$.pipe(timed(helpers, { ...plain, groupsPerStage: 4 }), map(summaryOf));
      helpers.expectObservable(result$).toBe(expected, { x: '0: 0-0 0-2 lost 1 late 1' });
    }));

  it('should never close a stage by time in which nothing is rewarded', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('m----------l--|', inputs);
      const expected = '            -----------x--|';
      helpers.expectObservable(source$.pipe(timed(helpers), map(summaryOf))).toBe(expected, {
        x: '0:  lost 2 late 0',
      });
    }));

  it('should start the clock of a stage when it is the next one to close', () =>
    marbles((helpers) => {
      // c waits for stage 0, which closes by time at 6, then for its own clock.
      const source$ = helpers.cold('c-a--------|', inputs);
      const expected = '            ------x---y|';
      helpers.expectObservable(source$.pipe(timed(helpers), map(summaryOf))).toBe(expected, {
        x: '0: 0-0 lost 0 late 1',
        y: '1: 1-0 lost 0 late 1',
      });
    }));

  it('should close the full stages behind one that is closed by time', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('cda-------|', inputs);
      const expected = '            ------(xy)|';
      helpers.expectObservable(source$.pipe(timed(helpers), map(summaryOf))).toBe(expected, {
        x: '0: 0-0 lost 0 late 1',
        y: '1: 1-0 1-1 lost 0 late 0',
      });
    }));

  it('should stop the clock of a stage that is full', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('a--b-------|', inputs);
      const expected = '            ---x-------|';
      helpers.expectObservable(source$.pipe(timed(helpers))).toBe(expected, { x: first });
    }));

  it('should complete with the source, and not emit the stage whose clock runs', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('a--|', inputs);
      helpers.expectObservable(source$.pipe(timed(helpers))).toBe('---|');
    }));

  it('should send a throw of the rule to the error channel when the clock closes', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('a-------', inputs);
      const rule = () => {
        throw new Error('broken rule');
      };
      const expected = '            ----#   ';
      const result$ = source$.pipe(timed(helpers, { ...plain, rule }));
      helpers.expectObservable(result$).toBe(expected, undefined, new Error('broken rule'));
      helpers.expectSubscriptions(source$.subscriptions).toBe('^---!');
    }));

  it.each([
    ['unsubscribed', NEVER],
    ['complete', EMPTY],
  ])('should leave no timer behind when it is %s', (_, after$) => {
    vi.useFakeTimers();
    try {
      const result$ = merge(of(...named('a')), after$);
      const subscription = result$.pipe(groupAdvantages<string>({ ...plain, closeAfterMs })).subscribe();
      if (after$ === NEVER) expect(vi.getTimerCount()).toBe(1);
      subscription.unsubscribe();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('should train each group at most once and account for all of a stage, however outcomes arrive', () => {
    const numStages = 4;
    const groupsPerStage = 3;
    const outcome = fc.record({
      stage: fc.nat(numStages - 1),
      index: fc.nat(groupsPerStage - 1),
      isLost: fc.boolean(),
      at: fc.nat(60),
    });
    const options = { ...plain, groupsPerStage, maxOpenStages: numStages };
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 40 }), (arrivals) => {
        const stages: ClosedStage<string>[] = [];
        marbles((helpers) => {
          const arrivals$ = arrivals.map(({ stage, index, isLost, at }) =>
            of<Outcome>(isLost ? lost(stage, index) : rewarded(stage, index)).pipe(delay(at)),
          );
          const source$ = merge(...arrivals$, NEVER).pipe(takeUntil(timer(1000)));
          source$.pipe(timed(helpers, options)).subscribe((stage) => stages.push(stage));
        });
        expect(stages.map(({ trainingStage }) => trainingStage)).toEqual([...stages.keys()]);
        const trained = stages.flatMap(({ groupIds }) => groupIds);
        expect(new Set(trained).size).toBe(trained.length);
        for (const { trainingStage, groupIds, batch } of stages) {
          const { groups, lostGroups, lateGroups } = batch.statistics;
          expect(groups + lostGroups + lateGroups).toBe(groupsPerStage);
          expect(groupIds).toHaveLength(groups);
          expect(lateGroups === 0 || groups > 0).toBe(true);
          for (const groupId of groupIds) expect(groupId.startsWith(`${trainingStage}-`)).toBe(true);
          for (const { groupId } of batch.samples) expect(groupIds).toContain(groupId);
        }
        // What could be closed by time is closed: the first stage that is left has no rewarded group.
        const firstOf = new Map<number, (typeof arrivals)[number]>();
        for (const arrival of arrivals.toSorted((a, b) => a.at - b.at)) {
          const group = arrival.stage * groupsPerStage + arrival.index;
          if (!firstOf.has(group)) firstOf.set(group, arrival);
        }
        const left = [...firstOf.values()].filter(({ stage }) => stage === stages.length);
        expect(left.filter(({ isLost }) => !isLost)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
