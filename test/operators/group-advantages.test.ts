import fc from 'fast-check';
import { of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { historyRule } from '../../src/operators/advantages/rules/history-rule.js';
import { groupAdvantages } from '../../src/operators/group-advantages.js';
import { interval, lost, rewarded } from './groups.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';
import { first, inputs, named, plain, run, second } from './outcomes.js';

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
          rewards: 4,
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
      state: { stages: [[{ prompt: 'a red circle', rewards: [0, 1, 1, 5] }]] },
    });
    expect(second?.state.stages).toEqual([
      [{ prompt: 'a red circle', rewards: [0, 1, 1, 5] }],
      [{ prompt: 'a red circle', rewards: [2, 0, 3, 3] }],
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
          rewards: 0,
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
      // A stage without groups takes its place in the history.
      state: { stages: [[]] },
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
