import { NEVER, of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { discardStale } from '../../src/operators/discard-stale.js';
import type { LostGroup, RolloutGroup } from '../../src/operators/records/records.js';
import { group, interval } from './groups.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

const plain = {
  policyVersion$: of(0),
  interval$: of(interval(0)),
  maxStaleness: 0,
  maxHeld: 4,
  onLost: () => {
    throw new Error('no loss expected');
  },
};
const inputs = {
  a: group(0, 0),
  b: group(1, 0, { policyVersion: 0 }),
  c: group(1, 1, { policyVersion: 0 }),
  d: group(1, 2),
};
const versions = { 0: 0, 1: 1, 2: 2 };
const intervals = { i: interval(0), j: interval(1), k: interval(2) };

describeOperator('discardStale', {
  create: () => discardStale<RolloutGroup<string>>(plain),
  inputs,
  outputs: inputs,
  source: '-a--a-|',
  result: '-a--a-|',
  synchronous: [inputs.a],
});

describe('discardStale', () => {
  const collect = () => {
    const losses: LostGroup[] = [];
    return { losses, onLost: (loss: LostGroup) => void losses.push(loss) };
  };

  it('should judge a group of a later round when that round begins', () => {
    const { losses, onLost } = collect();
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const policyVersion$ = cold('0-----1------', versions);
      const interval$ = cold('     i-----j------', intervals);
      const source$ = cold('       -a-b----c-d--|', inputs);
      const expected = '           -a--------d--|';
      expectObservable(source$.pipe(discardStale({ ...plain, policyVersion$, interval$, onLost }))).toBe(
        expected,
        inputs,
      );
      expectSubscriptions(source$.subscriptions).toBe('        ^------------!');
      expectSubscriptions(policyVersion$.subscriptions).toBe(' ^------------!');
      expectSubscriptions(interval$.subscriptions).toBe('      ^------------!');
    });
    const detail = 'sampled by policy version 0, the current one is 1, maxStaleness 0';
    expect(losses).toEqual([
      { groupId: '1-0', round: 1, reason: 'stale', detail },
      { groupId: '1-1', round: 1, reason: 'stale', detail },
    ]);
  });

  it('should hold a group and complete after it', () =>
    marbles(({ cold, expectObservable }) => {
      const policyVersion$ = cold('0----1---', versions);
      const interval$ = cold('     i----j---', intervals);
      const source$ = cold('       -d-|     ', inputs);
      const expected = '           -----(d|)';
      expectObservable(source$.pipe(discardStale({ ...plain, policyVersion$, interval$ }))).toBe(
        expected,
        inputs,
      );
    }));

  it.each<[string, RolloutGroup<string>, number, boolean]>([
    ['at the bound', group(2, 0, { policyVersion: 1 }), 1, true],
    ['above the bound', group(2, 0, { policyVersion: 0 }), 1, false],
    ['of a policy that a resumed run has not reached', group(2, 0, { policyVersion: 3 }), 1, false],
    ['of an earlier interval', { ...group(2, 0), interval: interval(1) }, 1, false],
    [
      'of an earlier round with the same steps',
      { ...group(1, 0, { policyVersion: 1 }), interval: interval(2) },
      1,
      true,
    ],
    [
      'of a rollout with another number of steps',
      { ...group(2, 0), interval: { ...interval(2), numSteps: 20 } },
      1,
      false,
    ],
  ])('should decide on a group %s', (_, one, maxStaleness, isKept) => {
    const { losses, onLost } = collect();
    const passed: string[] = [];
    const now = { policyVersion$: of(2), interval$: of(interval(2)) };
    of(one)
      .pipe(discardStale({ ...plain, ...now, maxStaleness, onLost }))
      .subscribe(({ groupId }) => passed.push(groupId));
    expect(passed).toEqual(isKept ? [one.groupId] : []);
    expect(losses.map(({ groupId, reason }) => [groupId, reason])).toEqual(
      isKept ? [] : [[one.groupId, 'stale']],
    );
  });

  it('should lose groups whose round never begins', () => {
    const { losses, onLost } = collect();
    of(inputs.d)
      .pipe(discardStale({ ...plain, onLost }))
      .subscribe();
    expect(losses).toMatchObject([{ groupId: '1-2', detail: 'its round never began' }]);
  });

  it('should err when one more group would have to wait', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('bcd-', inputs);
      const expected = '    --# ';
      const options = { ...plain, interval$: NEVER, maxHeld: 2 };
      expectObservable(source$.pipe(discardStale(options))).toBe(expected, undefined, {
        code: 'TRIB_OVERFLOW',
      });
      expectSubscriptions(source$.subscriptions).toBe('^-!');
    }));

  it('should release source and broadcasts when unsubscribed while a group waits', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const interval$ = cold('i-----', intervals);
      const source$ = cold('  -d----', inputs);
      expectObservable(source$.pipe(discardStale({ ...plain, interval$ })), '---!').toBe('----');
      expectSubscriptions(source$.subscriptions).toBe('^--!');
      expectSubscriptions(interval$.subscriptions).toBe('^--!');
    }));

  it('should err with a broadcast, and with a throw of onLost', () =>
    marbles(({ cold, expectObservable }) => {
      const interval$ = cold('i--#', intervals);
      const source$ = cold('  ----', inputs);
      expectObservable(source$.pipe(discardStale({ ...plain, interval$ }))).toBe('---#');
      const late$ = cold('-d-|', inputs);
      expectObservable(late$.pipe(discardStale(plain))).toBe('-#', undefined, new Error('no loss expected'));
    }));
});
