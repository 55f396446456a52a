import { NEVER, type ObservableInput, of, ReplaySubject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { DeadLetter, RolloutGroup } from '../../src/operators/records/records.js';
import { scoreRewards } from '../../src/operators/score-rewards.js';
import { group, rewards } from './groups.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

type Group = RolloutGroup<string>;

const inputs = { a: group(0, 0), b: group(0, 1), c: group(0, 2) };
const outputs = { x: rewards(0, 0), y: rewards(0, 1), z: rewards(0, 2) };
const plain = {
  concurrency: 1,
  maxQueued: 4,
  deadLetters: () => {
    throw new Error('no letter expected');
  },
};

describeOperator('scoreRewards', {
  create: () => scoreRewards<Group>({ ...plain, score: () => of([0, 1]) }),
  inputs,
  outputs,
  source: '-a--b--c-|',
  result: '-x--y--z-|',
  synchronous: [inputs.a],
});

describe('scoreRewards', () => {
  it.each<[string, ObservableInput<ArrayLike<number>>, string]>([
    ['NaN', of([0, Number.NaN]), 'expected a finite reward for branch 1, got NaN'],
    ['Infinity', of(Float32Array.of(Number.POSITIVE_INFINITY, 0)), 'branch 0, got Infinity'],
    ['a vast reward', of([1e200, 0]), 'expected a reward from -1e+15 to 1e+15 for branch 0, got 1e+200'],
    ['a reward just beyond the bound', of([0, -1.000001e15]), 'for branch 1, got -1000001000000000'],
    ['too few rewards', of([1]), 'expected 2 rewards, got 1'],
    ['too many rewards', of([1, 2, 3]), 'expected 2 rewards, got 3'],
    ['no rewards at all', of(), 'expected 2 rewards, got 0'],
  ])('should dead-letter %s and go on', (_, wrong, reason) => {
    const letters: DeadLetter<Group>[] = [];
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a--b--c--|', inputs);
      const expected = '      x-----z--|';
      const options = { ...plain, deadLetters: (letter: DeadLetter<Group>) => void letters.push(letter) };
      const score = ({ groupId }: Group) => (groupId === '0-1' ? wrong : of([0, 1]));
      expectObservable(source$.pipe(scoreRewards({ ...options, score }))).toBe(expected, outputs);
      expectSubscriptions(source$.subscriptions).toBe('^--------!');
    });
    expect(letters).toEqual([
      {
        stage: 'reward',
        groupId: '0-1',
        code: 'TRIB_REWARD',
        reason: expect.stringContaining(reason),
        message: inputs.b,
      },
    ]);
  });

  it('should keep rewards up to the bound, both included', () => {
    const rewardsOf: (readonly number[])[] = [];
    of(inputs.a)
      .pipe(scoreRewards<Group>({ ...plain, maxMagnitude: 10, score: () => of([-10, 10]) }))
      .subscribe((scored) => rewardsOf.push(scored.rewards));
    expect(rewardsOf).toEqual([[-10, 10]]);
  });

  it('should dead-letter a scorer that throws', () => {
    const letters: DeadLetter<Group>[] = [];
    const score = () => {
      throw new Error('no such model');
    };
    of(inputs.a)
      .pipe(scoreRewards<Group>({ ...plain, deadLetters: (letter) => void letters.push(letter), score }))
      .subscribe();
    expect(letters).toMatchObject([{ groupId: '0-0', code: 'TRIB_INTERNAL', reason: 'no such model' }]);
  });

  it('should let go of groups that are over, whether they wait or are scored, and go on with the others', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const over$ = new ReplaySubject<unknown>(1);
      cold('                  -----o').subscribe(over$);
      const source$ = cold('  abc-----------|', inputs);
      const slow$ = cold('    --------------s', { s: [0, 1] });
      const fast$ = cold('         --(s|)', { s: [0, 1] });
      const expected = '      -------z------|';
      const scored: string[] = [];
      const score = ({ groupId }: Group) => {
        scored.push(groupId);
        return groupId === '0-2' ? fast$ : slow$;
      };
      const isOver$ = ({ groupId }: Group) => (groupId === '0-2' ? NEVER : over$);
      expectObservable(source$.pipe(scoreRewards({ ...plain, score, over$: isOver$ }))).toBe(
        expected,
        outputs,
      );
      expectSubscriptions(slow$.subscriptions).toBe('^----!');
      expectSubscriptions(fast$.subscriptions).toBe('-----^-!');
    }));

  it('should emit as soon as a group is scored and complete with work in flight', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  ab---|    ', inputs);
      const slow$ = cold('    ------s', { s: [0, 1] });
      const fast$ = cold('     --s', { s: [0, 1] });
      const expected = '      ---y--(x|)';
      const score = ({ groupId }: Group) => (groupId === '0-0' ? slow$ : fast$);
      expectObservable(source$.pipe(scoreRewards({ ...plain, concurrency: 2, score }))).toBe(
        expected,
        outputs,
      );
      expectSubscriptions(slow$.subscriptions).toBe(' ^-----!');
      expectSubscriptions(fast$.subscriptions).toBe(' -^-!');
    }));

  it('should release the scoring when unsubscribed', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a-----', inputs);
      const slow$ = cold<number[]>('------');
      expectObservable(source$.pipe(scoreRewards({ ...plain, score: () => slow$ })), '--!').toBe('---');
      expectSubscriptions(slow$.subscriptions).toBe('^-!');
    }));
});
