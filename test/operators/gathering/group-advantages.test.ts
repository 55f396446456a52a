import fc from 'fast-check';
import { of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { historyRule } from '../../../src/operators/advantages/rules/history-rule.js';
import { groupAdvantages } from '../../../src/operators/gathering/group-advantages.js';
import { interval, lost, rewarded } from '../groups.js';
import { marbles } from '../marbles.js';
import { describeOperator } from '../operator-contract.js';
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
  it('should describe the round that it closes', () => {
    expect(first).toMatchObject({
      round: 0,
      groups: [inputs.a, inputs.b],
      batch: {
        round: 0,
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
      state: { rounds: [[{ prompt: 'a red circle', rewards: [0, 1, 1, 5] }]] },
    });
    expect(second?.state.rounds).toEqual([
      [{ prompt: 'a red circle', rewards: [0, 1, 1, 5] }],
      [{ prompt: 'a red circle', rewards: [2, 0, 3, 3] }],
    ]);
  });

  it('should emit rounds in order, whichever closes first', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a-cd-b---|', inputs);
      const expected = '      -----(xy)|';
      expectObservable(source$.pipe(groupAdvantages<string>(plain))).toBe(expected, { x: first, y: second });
      expectSubscriptions(source$.subscriptions).toBe('^--------!');
    }));

  it('should not emit a round that is incomplete when the source completes', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('  -ab-c-|', inputs);
      const expected = '      --x---|';
      expectObservable(source$.pipe(groupAdvantages<string>(plain))).toBe(expected, { x: first });
    }));

  it('should count a lost group as an outcome, and drop what comes twice or too late', () => {
    const [round] = run(named('aallbaba'));
    expect(round?.batch.statistics).toMatchObject({ groups: 1, lostGroups: 1, rewardMean: 0.5 });
    expect(round?.batch.samples.map(({ groupId }) => groupId)).toEqual(['0-0', '0-0']);
    expect(run(named('aallbaba'))).toHaveLength(1);
  });

  it('should tell stale groups from those lost otherwise, and how old the others are', () => {
    const [, round] = run([
      ...named('ab'),
      { ...rewarded(1, 0, [2, 0]), policyVersion: 0 },
      { ...lost(1, 1), reason: 'dead-letter' },
    ]);
    expect(round?.batch.statistics).toMatchObject({ lostGroups: 1, staleGroups: 0, ages: [0, 1] });
  });

  it('should count the first of two outcomes, also in a round that is full and waits', () => {
    expect(run(named('amb'))[0]).toEqual(first);
    expect(run(named('cddcab'))).toEqual([first, second]);
  });

  it('should not open a round again for a late outcome', () => {
    expect(run(named('ababcd'), { ...plain, maxOpenRounds: 1 })).toEqual([first, second]);
  });

  it('should close a round that lost everything, with an empty batch', () => {
    const [round] = run(named('lm'));
    expect(round).toEqual({
      round: 0,
      groups: [],
      lost: named('lm'),
      batch: {
        round: 0,
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
      // A round without groups takes its place in the history.
      state: { rounds: [[]] },
    });
  });

  it('should give the oldest policy version of the round', () => {
    const old = { ...rewarded(3, 0), policyVersion: 2 };
    const [round] = run([rewarded(3, 1), old], { ...plain, firstRound: 3 });
    expect(round?.batch.policyVersion).toBe(2);
  });

  it('should go on from a checkpoint as if it had never stopped', () => {
    const state = JSON.parse(JSON.stringify(first?.state));
    const resumed = run(named('bcda'), { ...plain, firstRound: 1, initialState: state });
    expect(resumed).toEqual([second]);
  });

  it('should give the same rounds whatever the order of arrival', () => {
    const outcomes = Array.from({ length: 15 }, (_, index) => {
      const round = Math.floor(index / 5);
      if (index % 7 === 3) return lost(round, index % 5);
      const values = [0.1 * index, 0.37 * (index % 4), 0.2].map((value) => value / 3);
      return rewarded(round, index % 5, values, index % 2 ? 'p' : 'q');
    });
    const options = {
      rule: historyRule({ bestThreshold: 0.2, worstThreshold: -0.2 }),
      groupsPerRound: 5,
      maxOpenRounds: 3,
    };
    const inOrder = run(outcomes, options);
    expect(inOrder).toHaveLength(3);
    fc.assert(
      fc.property(fc.shuffledSubarray(outcomes, { minLength: outcomes.length }), (shuffled) => {
        expect(run(shuffled, options)).toEqual(inOrder);
      }),
    );
  });

  it('should err when one more round would open', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a-c-e-', inputs);
      const expected = '      ----#';
      const result$ = source$.pipe(groupAdvantages<string>(plain));
      expectObservable(result$).toBe(expected, undefined, { code: 'TRIB_OVERFLOW' });
      expectSubscriptions(source$.subscriptions).toBe('^---!');
    }));

  it('should err when a waiting round has more groups than it should', () => {
    let fault: unknown;
    of(...named('abf'))
      .pipe(groupAdvantages<string>({ ...plain, groupsPerRound: 2, firstRound: 0, maxOpenRounds: 2 }))
      .subscribe({ error: (error: unknown) => (fault = error) });
    // round 0 is out when f comes: late outcomes are dropped
    expect(fault).toBeUndefined();
    of(...[rewarded(1, 0), rewarded(1, 1), rewarded(1, 2)])
      .pipe(groupAdvantages<string>(plain))
      .subscribe({ error: (error: unknown) => (fault = error) });
    expect(fault).toMatchObject({ code: 'TRIB_OPERATOR', message: expect.stringContaining('group 1-2') });
  });

  it('should err when groups of one round forked for different intervals', () => {
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
    expect(() => groupAdvantages({ ...plain, groupsPerRound: 0 })).toThrow(/`groupsPerRound`/);
    expect(() => groupAdvantages({ ...plain, maxOpenRounds: 0 })).toThrow(/`maxOpenRounds`/);
    expect(() => groupAdvantages({ ...plain, firstRound: -1 })).toThrow(/`firstRound`/);
    expect(() => groupAdvantages({ ...plain, closeAfterMs: 0 })).toThrow(/`closeAfterMs`/);
  });
});
