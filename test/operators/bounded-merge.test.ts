import { of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { boundedMerge } from '../../src/operators/bounded-merge.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

const plain = { operator: 'test', concurrency: 1, maxQueued: 1 };

describeOperator('boundedMerge', {
  create: () => boundedMerge({ ...plain, project: (value: string) => of(value) }),
  inputs: { a: 'a', b: 'b' },
  outputs: { a: 'a', b: 'b' },
  source: '-a--b-|',
  result: '-a--b-|',
  synchronous: ['a'],
});

describe('boundedMerge', () => {
  it('should run as many as concurrency says and complete with work in flight', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('   abc-------|     ');
      const inner$ = cold('    ---x-y|         ');
      const subscriptions = [' ^-----!         ', ' -^-----!        ', ' ------^-----!   '];
      const expected = '       ---xxyy--x-y|   ';
      const result$ = source$.pipe(boundedMerge({ ...plain, concurrency: 2, project: () => inner$ }));
      expectObservable(result$).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe('^---------!');
      expectSubscriptions(inner$.subscriptions).toBe(subscriptions);
    }));

  it('should err when one more value would have to wait', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  abc-');
      const inner$ = cold('   -----x|');
      const expected = '      --#';
      const result$ = source$.pipe(boundedMerge({ ...plain, project: () => inner$ }));
      expectObservable(result$).toBe(expected, undefined, { code: 'TRIB_OVERFLOW' });
      expectSubscriptions(source$.subscriptions).toBe('^-!');
      expectSubscriptions(inner$.subscriptions).toBe(' ^-!');
    }));

  it('should count only those that wait, not those that have started', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('  ab-c-d-|');
      const inner$ = cold('   --x|');
      const expected = '      --x--x--x--x|';
      expectObservable(source$.pipe(boundedMerge({ ...plain, maxQueued: 2, project: () => inner$ }))).toBe(
        expected,
      );
    }));

  it('should err with an inner stream and release everything', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a-b---');
      const inner$ = cold('   ---#');
      const expected = '      ---#';
      expectObservable(source$.pipe(boundedMerge({ ...plain, project: () => inner$ }))).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe('^--!');
    }));

  it('should send a throw of project to the error channel', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  -a-b-|');
      const expected = '      -#    ';
      const project = () => {
        throw new Error('broken');
      };
      expectObservable(source$.pipe(boundedMerge({ ...plain, project }))).toBe(
        expected,
        undefined,
        new Error('broken'),
      );
      expectSubscriptions(source$.subscriptions).toBe('^!');
    }));

  it('should release the running inner stream when unsubscribed', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  -a------');
      const inner$ = cold('   -----x--');
      expectObservable(source$.pipe(boundedMerge({ ...plain, project: () => inner$ })), '---!').toBe('----');
      expectSubscriptions(source$.subscriptions).toBe('^--!');
      expectSubscriptions(inner$.subscriptions).toBe(' -^-!');
    }));

  it('should refuse bounds that are no counts', () => {
    const project = () => of(1);
    expect(() => boundedMerge({ ...plain, concurrency: 0, project })).toThrow(/test `concurrency`: .* got 0/);
    expect(() => boundedMerge({ ...plain, maxQueued: Number.POSITIVE_INFINITY, project })).toThrow(
      /`maxQueued`/,
    );
  });
});
