import { type ObservableInput, of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { TributaryError } from '../../src/errors.js';
import { type DeadLetterOptions, deadLetter } from '../../src/operators/dead-letter.js';
import type { DeadLetter } from '../../src/operators/records/records.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

const refuse = () => {
  throw new Error('no letter expected');
};
const plain: Omit<DeadLetterOptions<string, string>, 'project'> = {
  stage: 'test',
  concurrency: 1,
  maxQueued: 4,
  deadLetters: refuse,
};
const retryable = new TributaryError('TRIB_TRANSPORT', 'service: busy. Try later.', { retryable: true });
const fatal = new TributaryError('TRIB_PROMPT', 'prompt: unknown word. Correct it.');

describeOperator('deadLetter', {
  create: () => deadLetter({ ...plain, project: (message: string) => of(message.toUpperCase()) }),
  inputs: { a: 'a', b: 'b' },
  outputs: { A: 'A', B: 'B' },
  source: '-a--b-|',
  result: '-A--B-|',
  synchronous: ['a'],
});

describe('deadLetter', () => {
  const collect = () => {
    const letters: DeadLetter<string>[] = [];
    return { letters, deadLetters: (letter: DeadLetter<string>) => void letters.push(letter) };
  };

  it('should turn a failed message into a letter and go on', () => {
    const { letters, deadLetters } = collect();
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const inner: Record<string, ObservableInput<string>> = {
        a: cold('        -x|'),
        b: cold('             -#', undefined, fatal),
        c: cold('                 -x|'),
      };
      const source$ = cold('  a----b---c---|');
      const expected = '      -x--------x--|';
      const options = { ...plain, groupIdOf: (m: string) => `0-${m}`, deadLetters };
      expectObservable(source$.pipe(deadLetter({ ...options, project: (m) => inner[m] ?? [] }))).toBe(
        expected,
      );
      expectSubscriptions(source$.subscriptions).toBe('^------------!');
    });
    expect(letters).toEqual([
      { stage: 'test', groupId: '0-b', code: 'TRIB_PROMPT', reason: fatal.message, message: 'b' },
    ]);
  });

  it('should take a throw of project, and anything that is thrown', () => {
    const { letters, deadLetters } = collect();
    const values: string[] = [];
    of('a', 'b', 'c')
      .pipe(
        deadLetter({
          ...plain,
          deadLetters,
          project: (message) => {
            if (message === 'a') throw new TypeError('broken');
            if (message === 'b') throw 'odd';
            return [message];
          },
        }),
      )
      .subscribe((value) => values.push(value));
    expect(values).toEqual(['c']);
    expect(letters).toEqual([
      { stage: 'test', code: 'TRIB_INTERNAL', reason: 'broken', message: 'a' },
      { stage: 'test', code: 'TRIB_INTERNAL', reason: 'odd', message: 'b' },
    ]);
  });

  it('should try a retryable error again, after a backoff that doubles', () =>
    marbles(({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a---------|');
      // tries at 0, 1+2 = 3, 4+4 = 8
      const tries = [cold('-#', undefined, retryable), cold('-#', undefined, retryable), cold('-x|')];
      const expected = '      ---------x|';
      let numTries = 0;
      const project = () => tries[numTries++] ?? [];
      const options = { ...plain, maxRetries: 2, backoffMs: 2, scheduler, project };
      expectObservable(source$.pipe(deadLetter(options))).toBe(expected);
      for (const [index, log] of ['^!', '---^!', '--------^-!'].entries()) {
        expectSubscriptions(tries[index]?.subscriptions ?? []).toBe(log);
      }
    }));

  it('should give up after maxRetries', () => {
    const { letters, deadLetters } = collect();
    let numTries = 0;
    marbles(({ cold, scheduler, expectObservable }) => {
      const source$ = cold('  a----|');
      const expected = '      -----|';
      const project = () => {
        numTries += 1;
        throw retryable;
      };
      const options = { ...plain, deadLetters, maxRetries: 2, backoffMs: 1, scheduler, project };
      expectObservable(source$.pipe(deadLetter(options))).toBe(expected);
    });
    expect(numTries).toBe(3);
    expect(letters).toMatchObject([{ code: 'TRIB_TRANSPORT', message: 'a' }]);
  });

  it('should not try an error again that does not say retryable', () => {
    const { letters, deadLetters } = collect();
    let numTries = 0;
    const project = () => {
      numTries += 1;
      throw fatal;
    };
    of('a')
      .pipe(deadLetter({ ...plain, deadLetters, maxRetries: 5, project }))
      .subscribe();
    expect(numTries).toBe(1);
    expect(letters).toHaveLength(1);
  });

  it('should release the backoff when unsubscribed', () =>
    marbles(({ cold, scheduler, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a-----------');
      const failing$ = cold<string>('-#', undefined, retryable);
      const options = { ...plain, maxRetries: 9, backoffMs: 3, scheduler, project: () => failing$ };
      expectObservable(source$.pipe(deadLetter(options)), '---!').toBe('----');
      expectSubscriptions(source$.subscriptions).toBe('^--!');
      expectSubscriptions(failing$.subscriptions).toBe(['^!']);
    }));

  it('should send a throw of deadLetters to the error channel', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('  -a-b-|');
      const expected = '      -#    ';
      const project = () => {
        throw fatal;
      };
      expectObservable(source$.pipe(deadLetter({ ...plain, project }))).toBe(
        expected,
        undefined,
        new Error('no letter expected'),
      );
    }));

  it('should err when the queue is full', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('  abc-');
      const expected = '      --# ';
      const project = () => cold<string>('-----x|');
      expectObservable(source$.pipe(deadLetter({ ...plain, maxQueued: 1, project }))).toBe(
        expected,
        undefined,
        {
          code: 'TRIB_OVERFLOW',
        },
      );
    }));
});
