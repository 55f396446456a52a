import { concat, NEVER, type Observable, of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { combineRewards, type RewardPart } from '../../../src/operators/gathering/combine-rewards.js';
import {
  type Combination,
  combinedReward,
  type MissingPart,
} from '../../../src/operators/gathering/combined-parts.js';
import type { CombinedRewards, LostGroup, RewardOutcome } from '../../../src/operators/records/records.js';
import { lost, rewards } from '../groups.js';
import { marbles } from '../marbles.js';
import { describeOperator } from '../operator-contract.js';

const ticket = (round: number, index: number, reward?: string | string[]) => ({
  groupId: `${round}-${index}`,
  round,
  ...(reward !== undefined && { metadata: { reward } }),
});
const inputs = {
  a: ticket(0, 0),
  b: ticket(0, 1),
  n: ticket(0, 2, 'fit'),
  x: ticket(0, 2, 'fat'),
  r: ticket(1, 0),
};
/** Lower case: part fit; upper case: part people. */
const scores: Record<string, RewardOutcome> = {
  a: rewards(0, 0, [1, 2]),
  b: rewards(0, 1, [3, 4]),
  n: rewards(0, 2, [5, 6]),
  l: lost(0, 0, 'dead-letter', 'no score'),
  A: rewards(0, 0, [10, 20]),
  B: rewards(0, 1, [30, 40]),
  T: rewards(0, 0, [1, 2, 3]),
  R: rewards(1, 0, [0, 1]),
};
const fit = { name: 'fit', weight: 1 };
const people = { name: 'people', weight: 0.5 };

function combined(round: number, index: number, ...parts: CombinedRewards['parts']): CombinedRewards {
  const groupId = `${round}-${index}`;
  return { groupId, round, rewards: combinedReward('sum', parts), parts };
}

const both = combined(0, 0, { ...fit, rewards: [1, 2] }, { ...people, rewards: [10, 20] });
const bothOfB = combined(0, 1, { ...fit, rewards: [3, 4] }, { ...people, rewards: [30, 40] });
const outputs: Record<string, CombinedRewards | LostGroup> = {
  x: both,
  y: bothOfB,
  f: combined(0, 0, { ...fit, rewards: [1, 2] }),
  g: combined(0, 1, { ...fit, rewards: [3, 4] }),
  p: combined(0, 0, { ...people, rewards: [10, 20] }),
  n: combined(0, 2, { ...fit, rewards: [5, 6] }),
  u: lost(0, 0, 'unmatched', 'parts were missing at the end'),
  v: lost(0, 1, 'unmatched', 'parts were missing at the end'),
};

interface Setting {
  readonly missing?: MissingPart;
  readonly deadlineMs?: number;
  readonly maxPending?: number;
  readonly round$?: Observable<number>;
}

const operator = (
  fit$: Observable<RewardOutcome>,
  people$: Observable<RewardOutcome>,
  { missing = 'wait', maxPending = 4, ...timing }: Setting = {},
) => {
  const parts: RewardPart[] = [
    { ...fit, missing, rewards$: fit$ },
    { ...people, missing, rewards$: people$ },
  ];
  return combineRewards({ by: 'sum', parts, maxPending, ...timing });
};

describeOperator('combineRewards', {
  create: () =>
    operator(
      of(scores.a, scores.b) as Observable<RewardOutcome>,
      of(scores.A, scores.B) as Observable<RewardOutcome>,
    ),
  inputs,
  outputs,
  source: '-a--b-|',
  result: '-x--y-|',
  synchronous: [inputs.a],
  whenEmpty: '(uv|)',
});

describe('combineRewards', () => {
  it('should wait for ticket and parts in any order, and drop what comes twice', () =>
    marbles(({ cold, expectObservable }) => {
      const tickets$ = cold('a-----b-a-|', inputs);
      const fit$ = cold<RewardOutcome>('-a-b--a---|', scores);
      const people$ = cold<RewardOutcome>('---A-B-A--|', scores);
      expectObservable(tickets$.pipe(operator(fit$, people$))).toBe('---x--y---|', outputs);
    }));

  it.each([
    ['drop-group', '------L---|'],
    ['leave-out', '------f---|'],
  ] as const)('should %s at the deadline, counted from the first part', (missing, expected) =>
    marbles(({ cold, expectObservable }) => {
      const tickets$ = cold('a---------|', inputs);
      const fit$ = cold<RewardOutcome>('--a-------|', scores);
      const people$ = cold<RewardOutcome>('--------A-|', scores);
      const L = lost(0, 0, 'unmatched', 'part "people" did not come in time');
      const setting = { missing, deadlineMs: 4 };
      expectObservable(tickets$.pipe(operator(fit$, people$, setting))).toBe(expected, { ...outputs, L });
    }),
  );

  it('should hold no deadline for parts that are waited for, and leave out the others when those come', () =>
    marbles(({ cold, expectObservable }) => {
      const tickets$ = cold('a---------|', inputs);
      const fit$ = cold<RewardOutcome>('-------a--|', scores);
      const people$ = cold<RewardOutcome>('----------|', scores);
      const late$ = cold<RewardOutcome>('-A--------|', scores);
      const parts: RewardPart[] = [
        { ...fit, missing: 'wait', rewards$: fit$ },
        { name: 'third', weight: 1, missing: 'leave-out', rewards$: people$ },
        { ...people, missing: 'leave-out', rewards$: late$ },
      ];
      const result$ = tickets$.pipe(combineRewards({ by: 'sum', parts, maxPending: 4, deadlineMs: 3 }));
      expectObservable(result$).toBe('-------x--|', outputs);
    }));

  it.each([
    ['wait', '-L--------|'],
    ['drop-group', '-L--------|'],
    ['leave-out', '---p------|'],
  ] as const)('should do with a part that was lost as `%s` says', (missing, expected) =>
    marbles(({ cold, expectObservable }) => {
      const tickets$ = cold('a---------|', inputs);
      const fit$ = cold<RewardOutcome>('-l--------|', scores);
      const people$ = cold<RewardOutcome>('---A------|', scores);
      const L = lost(0, 0, 'dead-letter', 'part "fit": no score');
      expectObservable(tickets$.pipe(operator(fit$, people$, { missing }))).toBe(expected, { ...outputs, L });
    }),
  );

  it.each([
    ['at operators', 'few', 'dead-letter', 'none of its parts came: no score'],
    ['elsewhere', undefined, 'unmatched', 'none of its parts came'],
  ] as const)('should say so of a group whose parts were all lost %s', (_, stageName, reason, detail) => {
    const stage = stageName && { operator: stageName };
    const losses = { l: { ...lost(0, 0, 'dead-letter', 'no score'), ...stage } };
    const L = { ...lost(0, 0, reason, detail), ...stage };
    marbles(({ cold, expectObservable }) => {
      const parts = [cold<RewardOutcome>('-l-|', losses), cold<RewardOutcome>('--l|', losses)] as const;
      const result$ = cold('a--|', inputs).pipe(operator(...parts, { missing: 'leave-out' }));
      expectObservable(result$).toBe('--L|', { L });
    });
  });

  it('should combine the parts that a prompt names, and lose a group that names one that is not there', () => {
    const L = lost(0, 2, 'unmatched', 'its prompt expects the reward "fat", and the parts are fit, people');
    marbles(({ cold, expectObservable }) => {
      const never$ = cold<RewardOutcome>('----|', scores);
      const fit$ = cold<RewardOutcome>('--n-|', scores);
      expectObservable(cold('n---|', inputs).pipe(operator(fit$, never$))).toBe('--n-|', outputs);
      expectObservable(cold('x---|', inputs).pipe(operator(fit$, never$))).toBe('L---|', { ...outputs, L });
    });
  });

  it('should lose a group whose parts differ in length', () =>
    marbles(({ cold, expectObservable }) => {
      const L = lost(0, 0, 'unmatched', 'part "fit" has 2 rewards, and part "people" 3');
      const result$ = cold('a--|', inputs).pipe(
        operator(cold<RewardOutcome>('-a-|', scores), cold<RewardOutcome>('--T|', scores)),
      );
      expectObservable(result$).toBe('--L|', { L });
    }));

  it('should lose the oldest at its bound, and what is missing at the end', () => {
    const detail = 'parts were missing while 1 younger groups came';
    const outcomes = {
      L: lost(0, 0, 'unmatched', detail),
      M: lost(0, 1, 'unmatched', 'parts were missing at the end'),
    };
    marbles(({ cold, expectObservable }) => {
      const fit$ = cold<RewardOutcome>('---|', scores);
      const people$ = cold<RewardOutcome>('---|', scores);
      const result$ = cold('ab-|', inputs).pipe(operator(fit$, people$, { maxPending: 1 }));
      expectObservable(result$).toBe('-L-(M|)', outcomes);
    });
  });

  it('should forget what waits of a round that is over, and take no more of it', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const tickets$ = cold('ar-----|', inputs);
      const fit$ = cold<RewardOutcome>('--aR---|', scores);
      const people$ = cold<RewardOutcome>('--A-R--|', scores);
      const round$ = cold<number>('01-----', { 0: 0, 1: 1 });
      const y = combined(1, 0, { ...fit, rewards: [0, 1] }, { ...people, rewards: [0, 1] });
      expectObservable(tickets$.pipe(operator(fit$, people$, { round$ }))).toBe('----y--|', { y });
      expectSubscriptions(round$.subscriptions).toBe('^------!');
    }));

  it('should release parts, round and timers when unsubscribed', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const fit$ = cold<RewardOutcome>('a----', scores);
      const round$ = cold<number>('-----');
      const result$ = concat(of(inputs.a), NEVER).pipe(
        operator(fit$, NEVER, { round$, deadlineMs: 9, missing: 'leave-out' }),
      );
      expectObservable(result$, '--!').toBe('---');
      expectSubscriptions(fit$.subscriptions).toBe('^-!');
      expectSubscriptions(round$.subscriptions).toBe('^-!');
    }));

  it.each(['maxPending', 'deadlineMs'] as const)('should refuse %s that is no count', (option) => {
    const create = () => combineRewards({ by: 'sum', parts: [], maxPending: 1, [option]: 0 });
    expect(create).toThrow(`combineRewards \`${option}\`: expected an integer of at least 1, got 0.`);
  });
});

describe('combinedReward', () => {
  const parts = [
    { name: 'a', weight: 2, rewards: [1, 3] },
    { name: 'b', weight: -1, rewards: [4, 2] },
  ];

  it.each([
    ['sum', [-2, 4]],
    ['product', [4, 6]],
    ['minimum', [1, 2]],
    ['gdpo', [-2, 4]],
  ] satisfies [Combination, number[]][])('should combine picture by picture: %s', (by, expected) => {
    expect(combinedReward(by, parts)).toEqual(expected);
  });
});
