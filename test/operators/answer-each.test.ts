import {
  concatMap,
  delay,
  filter,
  map,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  of,
  startWith,
  take,
  throwError,
} from 'rxjs';
import { describe, expect, it } from 'vitest';
import { type Answer, type AnsweringOperator, answerEach } from '../../src/operators/answer-each.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

type Letters = (letters$: Observable<string>) => Observable<unknown>;

const passed = (input: string, output = input): Answer<string> => ({ kind: 'passed', input, output });
const dropped = (input: string): Answer<string> => ({ kind: 'dropped', input });
const outputs: Record<string, Answer<string>> = {
  a: passed('a'),
  b: passed('b'),
  c: passed('c'),
  B: dropped('b'),
};

const through = (operator: Letters, settings: Partial<AnsweringOperator<string>> = {}) =>
  answerEach<string>({
    name: 'mine',
    operator,
    faultOf: (output, input) =>
      typeof output === 'string' && output.startsWith(input)
        ? null
        : `expected ${input}, got ${String(output)}`,
    maxQueued: 4,
    ...settings,
  });

describeOperator('answerEach', {
  create: () => through((letters$) => letters$.pipe(filter((letter) => letter !== 'b'))),
  inputs: { a: 'a', b: 'b', c: 'c' },
  outputs,
  source: '-a--b-c-|',
  result: '-a--B-c-|',
  synchronous: ['a'],
});

/** The kinds of the answers to a source, with the messages of faults, and how the stream ended. */
function answersTo(source: readonly string[], operator: Letters): string[] {
  const said: string[] = [];
  of(...source)
    .pipe(through(operator))
    .subscribe({
      next: (answer) =>
        said.push(answer.kind === 'failed' ? answer.error.message : `${answer.input} ${answer.kind}`),
      error: (error: Error) => said.push(`! ${error.message}`),
      complete: () => said.push('|'),
    });
  return said;
}

describe('answerEach', () => {
  it('should keep what the operator remembers, and what it makes of a message', () => {
    const seen = new Set<string>();
    const distinct: Letters = (letters$) =>
      letters$.pipe(
        filter((letter) => !seen.has(letter) && seen.add(letter).size > 0),
        map((letter) => `${letter}!`),
      );
    expect(answersTo(['a', 'a', 'b'], distinct)).toEqual(['a passed', 'a dropped', 'b passed', '|']);
  });

  it.each<[string, Letters, readonly string[]]>([
    [
      'throws, and begin it anew',
      (letters$) =>
        letters$.pipe(
          mergeMap((letter) => (letter === 'a' ? throwError(() => new Error('no a')) : of(letter))),
        ),
      ['operator mine: expected to answer, got the error "no a". Correct the operator.', 'b passed', '|'],
    ],
    [
      'throws when it is called',
      () => {
        throw new Error('not yet');
      },
      [
        'operator mine: expected to answer, got the error "not yet". Correct the operator.',
        'operator mine: expected to answer, got the error "not yet". Correct the operator.',
        '|',
      ],
    ],
    [
      'emits two messages for one',
      (letters$) => letters$.pipe(mergeMap((letter) => (letter === 'a' ? [letter, letter] : [letter]))),
      [
        'operator mine: expected one message for one, got 2. Emit each message once, or `null` to drop it.',
        'b passed',
        '|',
      ],
    ],
    [
      'emits what it may not',
      (letters$) => letters$.pipe(map((letter) => (letter === 'a' ? 7 : letter))),
      ['operator mine: expected a, got 7. Emit what the topic carries.', 'b passed', '|'],
    ],
    ['emits null', (letters$) => letters$.pipe(map(() => null)), ['a dropped', 'b dropped', '|']],
    [
      'never completes',
      (letters$) => merge(letters$, NEVER),
      [
        'a passed',
        'b passed',
        '! operator mine: expected to complete with its source, got an operator that goes on. Let it complete.',
      ],
    ],
    [
      'completes before its source',
      (letters$) => letters$.pipe(take(1)),
      [
        '! operator mine: expected to complete with its source, got one that completes before. Let it go on: `filter` drops what is not wanted.',
      ],
    ],
    [
      'emits before it has a message',
      (letters$) => letters$.pipe(startWith('x')),
      [
        'operator mine: expected one message for one, got 2. Emit each message once, or `null` to drop it.',
        'b passed',
        '|',
      ],
    ],
  ])('should say so of an operator that %s', (_, operator, expected) => {
    expect(answersTo(['a', 'b'], operator)).toEqual(expected);
  });

  it('should wait for an answer as long as it may take, one message at a time', () =>
    marbles(({ cold, expectObservable }) => {
      const slow: Letters = (letters$) =>
        letters$.pipe(concatMap((letter) => of(letter === 'b' ? null : letter).pipe(delay(3))));
      const result$ = cold<string>('abc------|').pipe(through(slow, { answerWithinMs: 5 }));
      expectObservable(result$).toBe('---a--B--(c|)', outputs);
    }));

  it('should fail a message that is not answered in time, and begin the operator anew', () =>
    marbles(({ cold, expectObservable }) => {
      const silent: Letters = (letters$) =>
        letters$.pipe(concatMap((letter) => (letter === 'a' ? NEVER : of(letter))));
      const result$ = cold<string>('ab------|').pipe(
        through(silent, { answerWithinMs: 4 }),
        map((answer) => (answer.kind === 'failed' ? answer.error.message : answer.kind)),
      );
      const F =
        'operator mine: expected an answer within 4 ms, got none. Emit the message, or `null` to drop it; or raise `answerWithinMs`.';
      expectObservable(result$).toBe('----(Fp)|', { F, p: 'passed' });
    }));

  it('should err where an operator that is not said to take time does', () =>
    marbles(({ cold, expectObservable }) => {
      const slow: Letters = (letters$) => letters$.pipe(delay(3));
      expectObservable(cold<string>('a------|').pipe(through(slow))).toBe(
        'A--#',
        { A: dropped('a') },
        { code: 'TRIB_OPERATOR' },
      );
    }));

  it('should refuse a time that is no count', () => {
    expect(() => through((letters$) => letters$, { answerWithinMs: -1 })).toThrow(
      'operator mine `answerWithinMs`: expected an integer of at least 0, got -1.',
    );
  });
});
