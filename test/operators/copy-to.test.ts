import { map, NEVER, of, throwError, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { copyTo } from '../../src/operators/copy-to.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

const letters = { a: 'a', b: 'b', c: 'c', d: 'd' };

/** Writing takes so many milliseconds. */
const taking = (ms: number, maxWaiting = 2, dropped: string[] = []) =>
  copyTo<string>({
    write: (letter) => timer(ms).pipe(map(() => letter)),
    maxWaiting,
    onDropped: (letter) => dropped.push(letter),
  });

describeOperator('copyTo', {
  create: () => copyTo<string>({ write: () => of(null), maxWaiting: 1, onDropped: () => undefined }),
  inputs: letters,
  outputs: letters,
  source: '-a--b-c-|',
  result: '-a--b-c-|',
  synchronous: ['a'],
});

describe('copyTo', () => {
  it('should write one after another, and drop the oldest that waits where the target is slower', () => {
    const dropped: string[] = [];
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('abcd------|', letters);
      expectObservable(source$.pipe(taking(3, 2, dropped))).toBe('---a--c--d|', letters);
      expectSubscriptions(source$.subscriptions).toBe('^---------!');
    });
    expect(dropped).toEqual(['b']);
  });

  it('should complete when what waits is written', () =>
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('ab|', letters).pipe(taking(3))).toBe('---a--(b|)', letters);
    }));

  it('should drop a message whose writing fails, with the error, and go on', () => {
    const dropped: unknown[] = [];
    const write = (letter: string) => (letter === 'a' ? throwError(() => 'full') : of(null));
    marbles(({ cold, expectObservable }) => {
      const result$ = cold('-a-b|', letters).pipe(
        copyTo({ write, maxWaiting: 1, onDropped: (letter, error) => dropped.push([letter, error]) }),
      );
      expectObservable(result$).toBe('---b|', letters);
    });
    expect(dropped).toEqual([['a', 'full']]);
  });

  it('should err with what takes the dropped messages', () =>
    marbles(({ cold, expectObservable }) => {
      const onDropped = () => {
        throw new Error('no');
      };
      const result$ = cold('-abc|', letters).pipe(copyTo({ write: () => NEVER, maxWaiting: 1, onDropped }));
      expectObservable(result$).toBe('---#', letters, new Error('no'));
    }));

  it('should refuse a bound that is no count', () => {
    expect(() => taking(1, 0)).toThrow('copyTo `maxWaiting`: expected an integer of at least 1, got 0.');
  });
});
