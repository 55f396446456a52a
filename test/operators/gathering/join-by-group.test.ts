import fc from 'fast-check';
import { EMPTY, NEVER, of, Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { joinByGroup } from '../../../src/operators/gathering/join-by-group.js';
import type {
  GroupRewards,
  LostGroup,
  RewardedGroup,
  RolloutGroup,
} from '../../../src/operators/records/records.js';
import { group, lost, rewarded, rewards } from '../groups.js';
import { marbles } from '../marbles.js';
import { describeOperator } from '../operator-contract.js';

const inputs = { a: group(0, 0), b: group(0, 1), c: group(0, 2) };
const scores = { A: rewards(0, 0), B: rewards(0, 1), C: rewards(0, 2), L: lost(0, 1, 'dead-letter') };
const outputs = { x: rewarded(0, 0), y: rewarded(0, 1), z: rewarded(0, 2) };
const refuse = () => {
  throw new Error('no loss expected');
};
const plain = { maxPending: 4, maxRemembered: 20, onLost: refuse };

describeOperator('joinByGroup', {
  create: () =>
    joinByGroup<string>({ ...plain, rewards$: of(scores.A, scores.B, scores.C), onLost: () => {} }),
  inputs,
  outputs,
  source: '-a--b-c-|',
  result: '-x--y-z-|',
  synchronous: [inputs.a],
});

describe('joinByGroup', () => {
  const collect = () => {
    const losses: LostGroup[] = [];
    return { losses, onLost: (loss: LostGroup) => void losses.push(loss) };
  };

  it('should join in either order and drop duplicates', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold(' a-ab---ca-|   ', inputs);
      const rewards$ = cold('---A-BA-B--C|', scores);
      const expected = '     ---x-y-----z|';
      expectObservable(source$.pipe(joinByGroup({ ...plain, rewards$ }))).toBe(expected, outputs);
      expectSubscriptions(source$.subscriptions).toBe(' ^---------!');
      expectSubscriptions(rewards$.subscriptions).toBe('^-----------!');
    }));

  it('should say which halves came for a group that has them, or has left, and of no others', () => {
    const repeated: string[] = [];
    marbles(({ cold, expectObservable }) => {
      const source$ = cold(' aa-b---b-c-|  ', inputs);
      const rewards$ = cold('--A-L-BA----C|', scores);
      const expected = '     --x---------z|';
      const onRepeated = (groupId: string) => void repeated.push(groupId);
      expectObservable(
        source$.pipe(joinByGroup({ ...plain, rewards$, onLost: () => undefined, onRepeated })),
      ).toBe(expected, outputs);
    });
    expect(repeated).toEqual(['0-0', '0-1', '0-0', '0-1']);
  });

  it('should release both sides when unsubscribed', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold(' a-----', inputs);
      const rewards$ = cold('-B----', scores);
      expectObservable(source$.pipe(joinByGroup({ ...plain, rewards$ })), '---!').toBe('----');
      expectSubscriptions(source$.subscriptions).toBe(' ^--!');
      expectSubscriptions(rewards$.subscriptions).toBe('^--!');
    }));

  it('should drop and report the oldest at the bound, and its other half when it comes', () => {
    const { losses, onLost } = collect();
    marbles(({ cold, expectObservable }) => {
      const source$ = cold(' abc------|', inputs);
      const rewards$ = cold('----ABC--|', scores);
      const expected = '     -----yz--|';
      expectObservable(source$.pipe(joinByGroup({ ...plain, maxPending: 2, rewards$, onLost }))).toBe(
        expected,
        outputs,
      );
    });
    expect(losses).toEqual([lost(0, 0, 'unmatched', 'no reward while 2 younger groups came')]);
  });

  it('should let go of what waits of a round that is over, silently, and take no more of it', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('       ab-----e-c----|', { ...inputs, e: group(1, 0) });
      const rewards$ = cold('      -CA---BCE-----|', { ...scores, E: rewards(1, 0) });
      const round$ = cold('0---1----------', { 0: 0, 1: 1 });
      const expected = '           --x-----z-----|';
      const result$ = source$.pipe(joinByGroup({ ...plain, rewards$, round$ }));
      expectObservable(result$).toBe(expected, { x: outputs.x, z: rewarded(1, 0) });
      expectSubscriptions(round$.subscriptions).toBe('^-------------!');
    }));

  it('should err with the round', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a----', inputs);
      const options = { ...plain, rewards$: NEVER, round$: cold<number>('--#') };
      expectObservable(source$.pipe(joinByGroup(options))).toBe('--#');
      expectSubscriptions(source$.subscriptions).toBe('^-!');
    }));

  it('should release the round when unsubscribed', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const round$ = cold<number>('-----');
      const joined$ = cold('a----', inputs).pipe(joinByGroup({ ...plain, rewards$: NEVER, round$ }));
      expectObservable(joined$, '---!').toBe('----');
      expectSubscriptions(round$.subscriptions).toBe('^--!');
    }));

  it('should bound the side of the rewards too', () => {
    const { losses, onLost } = collect();
    marbles(({ cold, expectObservable }) => {
      const source$ = cold(' ----abc--|', inputs);
      const rewards$ = cold('ABC------|', scores);
      const expected = '     -----yz--|';
      expectObservable(source$.pipe(joinByGroup({ ...plain, maxPending: 2, rewards$, onLost }))).toBe(
        expected,
        outputs,
      );
    });
    expect(losses).toEqual([lost(0, 0, 'unmatched', 'no trajectories while 2 younger groups came')]);
  });

  it('should report what still waits when both sides are complete', () => {
    const { losses, onLost } = collect();
    marbles(({ cold, expectObservable }) => {
      const source$ = cold(' ab-|   ', inputs);
      const rewards$ = cold('-A--C-|', scores);
      const expected = '     -x----|';
      expectObservable(source$.pipe(joinByGroup({ ...plain, rewards$, onLost }))).toBe(expected, outputs);
    });
    expect(losses).toEqual([
      lost(0, 1, 'unmatched', 'no reward before the end'),
      lost(0, 2, 'unmatched', 'no trajectories before the end'),
    ]);
  });

  it('should release a group that was lost on the way to its reward', () => {
    const { losses, onLost } = collect();
    marbles(({ cold, expectObservable }) => {
      const source$ = cold(' -ab-b|  ', inputs);
      const rewards$ = cold('--A-L-B|', scores);
      const expected = '     --x----|';
      expectObservable(source$.pipe(joinByGroup({ ...plain, rewards$, onLost }))).toBe(expected, outputs);
    });
    expect(losses).toEqual([scores.L]);
  });

  it.each([
    [[0, Number.NaN], 'expected a finite reward for branch 1, got NaN'],
    [[1, 2, 3], 'expected 2 rewards, got 3'],
    [[1e200, 1], 'expected a reward from -1e+15 to 1e+15 for branch 0, got 1e+200'],
  ])('should lose a group with the rewards %s', (values, text) => {
    const { losses, onLost } = collect();
    const joined: unknown[] = [];
    const refused: [GroupRewards, string][] = [];
    const onRefused = (scored: GroupRewards, { message }: Error) => void refused.push([scored, message]);
    of(inputs.a)
      .pipe(joinByGroup({ ...plain, rewards$: of(rewards(0, 0, values)), onLost, onRefused }))
      .subscribe((one) => joined.push(one));
    expect(joined).toEqual([]);
    expect(losses).toEqual([{ ...lost(0, 0, 'dead-letter'), detail: expect.stringContaining(text) }]);
    expect(refused).toEqual([[rewards(0, 0, values), expect.stringContaining(text)]]);
  });

  it('should name the weights of a combined reward that is too large', () => {
    const { losses, onLost } = collect();
    const parts = [{ name: 'people', weight: 1e9, rewards: [1e7, 0] }];
    const combined = { ...rewards(0, 0, [1e16, 0]), parts };
    of(inputs.a)
      .pipe(joinByGroup({ ...plain, rewards$: of(combined), onLost }))
      .subscribe();
    expect(losses[0]?.detail).toContain(
      'got 10000000000000000. It is combined from "people" x 1000000000: lower the weights, or scale the rewards down.',
    );
  });

  it('should count the first of two rewards', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold(' --a|', inputs);
      const rewards$ = cold('AD-|', { ...scores, D: rewards(0, 0, [7, 8]) });
      const expected = '     --x|';
      expectObservable(source$.pipe(joinByGroup({ ...plain, rewards$ }))).toBe(expected, outputs);
    }));

  it('should drop the groups of a checkpoint', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold(' ab-|  ', inputs);
      const rewards$ = cold('---BA|', scores);
      const expected = '     ---y-|';
      expectObservable(source$.pipe(joinByGroup({ ...plain, rewards$, seen: ['0-0'] }))).toBe(
        expected,
        outputs,
      );
    }));

  it('should remember only the last maxRemembered groups', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold(' ab-b-a|  ', inputs);
      const rewards$ = cold('AB-B--A|', scores);
      const expected = '     xy----x|';
      expectObservable(source$.pipe(joinByGroup({ ...plain, maxRemembered: 1, rewards$ }))).toBe(
        expected,
        outputs,
      );
    }));

  it('should err with the rewards', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold(' a-----', inputs);
      const rewards$ = cold('---#  ', scores);
      const expected = '     ---#  ';
      expectObservable(source$.pipe(joinByGroup({ ...plain, rewards$ }))).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe('^--!');
    }));

  it('should send a throw of onLost to the error channel', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('a--|', inputs);
      const expected = '    ---#';
      const result$ = source$.pipe(joinByGroup({ ...plain, rewards$: EMPTY }));
      expectObservable(result$).toBe(expected, undefined, new Error('no loss expected'));
    }));

  it('should let each group leave once, joined or lost, whatever the order and the duplicates', () => {
    const arrivals = fc.array(fc.record({ index: fc.nat(9), isReward: fc.boolean() }), { maxLength: 60 });
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 4 }), (halves, maxPending) => {
        const source$ = new Subject<RolloutGroup<string>>();
        const rewards$ = new Subject<GroupRewards>();
        const left: string[] = [];
        const take = ({ groupId }: RewardedGroup<string> | LostGroup) => void left.push(groupId);
        source$.pipe(joinByGroup({ ...plain, maxPending, rewards$, onLost: take })).subscribe(take);
        for (const { index, isReward } of halves) {
          if (isReward) rewards$.next(rewards(0, index));
          else source$.next(group(0, index));
        }
        source$.complete();
        rewards$.complete();
        expect(left.sort()).toEqual([...new Set(halves.map(({ index }) => `0-${index}`))].sort());
      }),
    );
  });
});
