import { of, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { TributaryError } from '../../src/errors.js';
import { gradientSteps } from '../../src/operators/gradient-steps.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

interface Batch {
  readonly round: number;
}
const inputs = { a: { round: 0 }, b: { round: 1 }, c: { round: 2 } };

describeOperator('gradientSteps', {
  create: () => gradientSteps({ train: ({ round }: Batch) => of(round), maxQueued: 1 }),
  inputs,
  outputs: { x: 0, y: 1 },
  source: '-a--b-|',
  result: '-x--y-|',
  synchronous: [inputs.a],
});

describe('gradientSteps', () => {
  it('should train one batch after the other, in order', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  a--b--------|', inputs);
      const training$ = cold('----r|       ');
      const trainings = [' ^----!       ', '-----^----!  '];
      const expected = '      ----r----r--|';
      expectObservable(source$.pipe(gradientSteps({ train: () => training$, maxQueued: 1 }))).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe('^-----------!');
      expectSubscriptions(training$.subscriptions).toBe(trainings);
    }));

  it('should complete after the work in flight', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('  a-|    ', inputs);
      const training$ = cold('----r|');
      const expected = '      ----r|';
      expectObservable(source$.pipe(gradientSteps({ train: () => training$, maxQueued: 0 }))).toBe(expected);
    }));

  it('should err when one more batch would have to wait', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  abc-', inputs);
      const training$ = cold('-----r|');
      const expected = '      --#';
      const result$ = source$.pipe(gradientSteps({ train: () => training$, maxQueued: 1 }));
      expectObservable(result$).toBe(expected, undefined, { code: 'TRIB_OVERFLOW' });
      expectSubscriptions(training$.subscriptions).toBe('^-!');
    }));

  it('should end with the first error, which names stage and round', () => {
    const broken = new TributaryError('TRIB_ENGINE', 'engine: loss is NaN. Lower `learningRate`.');
    for (const train of [
      () => throwError(() => broken),
      () => {
        throw broken;
      },
    ]) {
      let fault: unknown;
      of(inputs.b)
        .pipe(gradientSteps<Batch, number>({ train, maxQueued: 1 }))
        .subscribe({ error: (error: unknown) => (fault = error) });
      expect(fault).toMatchObject({
        code: 'TRIB_ENGINE',
        retryable: false,
        stage: 'trainer',
        message: 'trainer, round 1: engine: loss is NaN. Lower `learningRate`.',
        cause: broken,
      });
    }
  });

  it('should release the running batch when unsubscribed', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  -a----', inputs);
      const training$ = cold('------');
      expectObservable(source$.pipe(gradientSteps({ train: () => training$, maxQueued: 1 })), '---!').toBe(
        '----',
      );
      expectSubscriptions(source$.subscriptions).toBe('^--!');
      expectSubscriptions(training$.subscriptions).toBe('-^-!');
    }));
});
