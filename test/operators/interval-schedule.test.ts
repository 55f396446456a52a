import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type IntervalSpec,
  intervalSchedule,
  trainingIntervalAt,
} from '../../src/operators/interval-schedule.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

const trained = (spec: IntervalSpec, numInferenceSteps: number, numRounds: number) =>
  Array.from({ length: numRounds }, (_, round) => {
    const { firstStep, numSteps } = trainingIntervalAt(round, { spec, numInferenceSteps, numRounds });
    return numSteps - firstStep;
  });

const trainedSteps = (spec: IntervalSpec, numInferenceSteps: number, numRounds: number) =>
  Array.from(
    { length: numRounds },
    (_, round) => trainingIntervalAt(round, { spec, numInferenceSteps, numRounds }).trainedSteps,
  );

const stepsTo = (end: number) => Array.from({ length: end }, (_, step) => step);

describe('trainingIntervalAt', () => {
  it.each<[IntervalSpec, number[][]]>([
    [
      { mode: 'constant', steps: 3 },
      [
        [7, 8],
        [7, 8],
      ],
    ],
    [{ mode: 'floor-linear', first: 2, last: 3 }, [[8], [7, 8]]],
    [{ mode: 'sparse', phases: [4, 1] }, [[6], [6]]],
    [{ mode: 'window', length: 9, everyRounds: 1 }, [stepsTo(9), stepsTo(9).slice(1)]],
  ])('should leave out a last step that draws no noise: %j', (spec, expected) => {
    const found = [0, 1].map((round) =>
      trainingIntervalAt(round, { spec, numInferenceSteps: 10, numRounds: 2, noisySteps: 9 }),
    );
    expect(found.map(({ trainedSteps }) => trainedSteps)).toEqual(expected);
    expect(found.map(({ firstStep }) => firstStep)).toEqual(expected.map(([first]) => first));
  });

  it('should refuse an interval whose only step draws no noise, when it is called', () => {
    const options = { numInferenceSteps: 10, numRounds: 2, noisySteps: 9 };
    const text =
      'intervalSchedule constant at round 0: expected a step before 9, which draws no noise, got 9. Train more steps.';
    expect(() => intervalSchedule({ ...options, spec: { mode: 'constant', steps: 1 } })).toThrow(text);
    expect(() => intervalSchedule({ ...options, spec: { mode: 'constant', steps: 2 } })).not.toThrow();
  });

  it('should reproduce the schedule of the released script', () => {
    const spec = { mode: 'floor-linear', first: 14, last: 20 } as const;
    const steps = trained(spec, 20, 100);
    const firstRoundOf = (s: number) => steps.indexOf(s);
    expect([14, 15, 16, 17, 18, 19, 20].map(firstRoundOf)).toEqual([0, 15, 29, 43, 58, 72, 86]);
    expect(steps.at(-1)).toBe(20);
    expect(trainingIntervalAt(14, { spec, numInferenceSteps: 20, numRounds: 100 })).toEqual({
      round: 14,
      firstStep: 6,
      numSteps: 20,
      trainedSteps: [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
    });
  });

  it('should spread a list evenly over the rounds', () => {
    expect(trained({ mode: 'list', phases: [4, 8, 12, 16, 20] }, 20, 10)).toEqual([
      4, 4, 8, 8, 12, 12, 16, 16, 20, 20,
    ]);
  });

  it('should reproduce the schedule of iADD from its list', () => {
    const phases = [4, 8, 12, 16, 20, 20, 20, 20, 20, 20];
    const formula = Array.from({ length: 100 }, (_, k) => Math.min(20, 4 * (1 + Math.floor((10 * k) / 100))));
    expect(trained({ mode: 'list', phases }, 20, 100)).toEqual(formula);
  });

  it.each<[IntervalSpec, number[][]]>([
    [{ mode: 'floor-linear', first: 1, last: 2 }, [[3], [2, 3], [2, 3], [2, 3]]],
    [{ mode: 'list', phases: [3, 1] }, [[1, 2, 3], [3], [3], [3]]],
    [{ mode: 'sparse', phases: [1, 4] }, [[3], [0, 3], [0, 3], [0, 3]]],
    [{ mode: 'window', length: 1, everyRounds: 1 }, [[0], [1], [2], [3]]],
  ])(
    'should keep the last interval of the plan in rounds after it, and move a window on: %j',
    (spec, expected) => {
      const options = { spec, numInferenceSteps: 4, numRounds: 4, plannedRounds: 2 };
      expect([0, 1, 2, 3].map((round) => trainingIntervalAt(round, options).trainedSteps)).toEqual(expected);
      const short = { ...options, numRounds: 1 };
      expect(trainingIntervalAt(0, short).trainedSteps).toEqual(expected[0]);
    },
  );

  it('should train the same last steps in constant mode', () => {
    expect(trained({ mode: 'constant', steps: 3 }, 10, 4)).toEqual([3, 3, 3, 3]);
  });

  it('should add one listed step after each share of the run in sparse mode', () => {
    const spec = { mode: 'sparse', phases: [4, 8, 12, 16] } as const;
    // Counted from the image end: the n-th of 20 steps is step 20 - n.
    expect(trainedSteps(spec, 20, 8)).toEqual([
      [16],
      [16],
      [12, 16],
      [12, 16],
      [8, 12, 16],
      [8, 12, 16],
      [4, 8, 12, 16],
      [4, 8, 12, 16],
    ]);
    expect(trainingIntervalAt(2, { spec, numInferenceSteps: 20, numRounds: 8 })).toMatchObject({
      firstStep: 12,
      numSteps: 20,
    });
  });

  it('should train a step once that is listed twice, and sort steps that are listed out of order', () => {
    expect(trainedSteps({ mode: 'sparse', phases: [3, 1, 3] }, 4, 3)).toEqual([[1], [1, 3], [1, 3]]);
  });

  it('should move a window toward the image and begin anew after the last step (MixGRPO)', () => {
    expect(trainedSteps({ mode: 'window', length: 4, everyRounds: 1 }, 6, 7)).toEqual([
      [0, 1, 2, 3],
      [1, 2, 3, 4],
      [2, 3, 4, 5],
      [0, 1, 2, 3],
      [1, 2, 3, 4],
      [2, 3, 4, 5],
      [0, 1, 2, 3],
    ]);
  });

  it('should hold a window for `everyRounds` rounds', () => {
    expect(trainedSteps({ mode: 'window', length: 2, everyRounds: 3 }, 3, 7)).toEqual([
      [0, 1],
      [0, 1],
      [0, 1],
      [1, 2],
      [1, 2],
      [1, 2],
      [0, 1],
    ]);
  });

  it('should sweep a window of one step over the trajectory (TempFlow-GRPO)', () => {
    expect(trainedSteps({ mode: 'window', length: 1, everyRounds: 1 }, 3, 5)).toEqual([
      [0],
      [1],
      [2],
      [0],
      [1],
    ]);
  });

  it('should keep a window between its bounds', () => {
    const spec = { mode: 'window', length: 2, everyRounds: 1, from: 1, until: 4 } as const;
    expect(trainedSteps(spec, 6, 3)).toEqual([
      [1, 2],
      [2, 3],
      [1, 2],
    ]);
  });

  it('should scatter windows, each start equally often and in no order (flow_grpo, MixGRPO at random)', () => {
    const spec = { mode: 'window', length: 3, everyRounds: 1, until: 10, order: 'scattered' } as const;
    const starts = trainedSteps(spec, 20, 800).map(([first = Number.NaN]) => first);
    for (let start = 0; start < 8; start++) {
      const times = starts.filter((one) => one === start).length;
      expect(Math.abs(times - 100)).toBeLessThanOrEqual(2);
    }
    expect(starts.slice(0, 8)).toEqual([4, 1, 6, 3, 0, 5, 2, 7]);
  });

  it('should stand still with a window as long as the trajectory', () => {
    expect(trainedSteps({ mode: 'window', length: 3, everyRounds: 1 }, 3, 2)).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });

  it('should leave out the last step of 10 at a fraction of 0.99, as Flow-GRPO does', () => {
    const spec = { mode: 'fraction', timestepFraction: 0.99 } as const;
    expect(trainedSteps(spec, 10, 2)).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
    ]);
    expect(trainingIntervalAt(1, { spec, numInferenceSteps: 10, numRounds: 2 })).toMatchObject({
      firstStep: 0,
      numSteps: 10,
    });
  });

  // int(num_steps * timestep_fraction) in Python.
  it.each([
    [10, 1, 10],
    [40, 0.99, 39],
    [100, 0.99, 99],
    [200, 0.99, 198],
    [10, 0.6, 6],
    [100, 0.57, 56],
    [7, 1 / 7, 1],
  ])('should train so many of %i steps at a fraction of %d: %i', (numSteps, timestepFraction, expected) => {
    const [steps] = trainedSteps({ mode: 'fraction', timestepFraction }, numSteps, 1);
    expect(steps).toEqual(Array.from({ length: expected }, (_, step) => step));
  });

  it('should ask the function for each round', () => {
    expect(trained({ mode: 'function', steps: (k) => k + 1 }, 10, 4)).toEqual([1, 2, 3, 4]);
  });

  it('should grow from first to last, and use every value as often as another, give or take one', () => {
    const specs = fc.record({
      first: fc.integer({ min: 1, max: 20 }),
      growth: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(specs, fc.integer({ min: 1, max: 200 }), ({ first, growth }, numRounds) => {
        const last = first + growth;
        const steps = trained({ mode: 'floor-linear', first, last }, 40, numRounds);
        expect(steps[0]).toBe(first);
        expect(steps).toEqual([...steps].sort((a, b) => a - b));
        const counts = Array.from(
          { length: growth + 1 },
          (_, i) => steps.filter((s) => s === first + i).length,
        );
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it.each<[string, IntervalSpec, number, string]>([
    ['a round beyond the run', { mode: 'constant', steps: 3 }, 4, 'expected less than numRounds 4, got 4'],
    [
      'more steps than there are',
      { mode: 'constant', steps: 11 },
      0,
      'expected a whole number of steps in 1..10',
    ],
    ['no step', { mode: 'constant', steps: 0 }, 0, 'got 0'],
    ['half a step', { mode: 'function', steps: () => 2.5 }, 0, 'got 2.5'],
    ['an empty list', { mode: 'list', phases: [] }, 0, 'got NaN'],
    ['an empty sparse list', { mode: 'sparse', phases: [] }, 0, 'got NaN'],
    ['a sparse step before the first', { mode: 'sparse', phases: [1, 11] }, 3, 'got 11'],
    ['a window longer than the rollout', { mode: 'window', length: 11, everyRounds: 1 }, 0, 'got 11'],
    [
      'a window without room',
      { mode: 'window', length: 3, everyRounds: 1, from: 8 },
      0,
      'room for 3 steps, got 2',
    ],
    ['a window that moves every 0 rounds', { mode: 'window', length: 2, everyRounds: 0 }, 0, '`everyRounds`'],
    ['a fraction below one step', { mode: 'fraction', timestepFraction: 0.05 }, 0, 'got 0'],
    ['a fraction above 1', { mode: 'fraction', timestepFraction: 1.1 }, 0, 'got 11'],
    ['first above last', { mode: 'floor-linear', first: 5, last: 4 }, 0, 'expected at most `last` 4, got 5'],
    ['a negative round', { mode: 'constant', steps: 3 }, -1, 'at least 0, got -1'],
  ])('should refuse %s', (_, spec, round, text) => {
    expect(() => trainingIntervalAt(round, { spec, numInferenceSteps: 10, numRounds: 4 })).toThrow(
      expect.objectContaining({ code: 'TRIB_OPERATOR', message: expect.stringContaining(text) }),
    );
  });
});

const spec = { mode: 'floor-linear', first: 7, last: 10 } as const;
const at = (round: number) => {
  const firstStep = 3 - round;
  const trainedSteps = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].slice(firstStep);
  return { round, firstStep, numSteps: 10, trainedSteps };
};

describeOperator('intervalSchedule', {
  create: () => intervalSchedule({ spec, numInferenceSteps: 10, numRounds: 4 }),
  inputs: { a: 0, b: 1, c: 2 },
  outputs: { x: at(0), y: at(1), z: at(2) },
  source: '-a--b-c-|',
  result: '-x--y-z-|',
  synchronous: [0],
});

describe('intervalSchedule', () => {
  it('should emit once while a round is repeated', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  -a-a-b-b-a-|', { a: 0, b: 1 });
      const subscriptions = ' ^----------!';
      const expected = '      -x---y---x-|';
      const result$ = source$.pipe(intervalSchedule({ spec, numInferenceSteps: 10, numRounds: 4 }));
      expectObservable(result$).toBe(expected, { x: at(0), y: at(1) });
      expectSubscriptions(source$.subscriptions).toBe(subscriptions);
    }));

  it('should send a fault of the function to the error channel', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('  -a-b-|', { a: 0, b: 1 });
      const subscriptions = ' ^--!  ';
      const expected = '      -x-#  ';
      const options = {
        spec: { mode: 'function' as const, steps: (round: number) => (round === 0 ? 7 : 99) },
        numInferenceSteps: 10,
        numRounds: 4,
      };
      expectObservable(source$.pipe(intervalSchedule(options))).toBe(
        expected,
        { x: at(0) },
        { code: 'TRIB_OPERATOR' },
      );
      expectSubscriptions(source$.subscriptions).toBe(subscriptions);
    }));

  it('should refuse a spec that fails at a late round when it is called', () => {
    const options = { spec: { mode: 'list', phases: [4, 11] } as const, numInferenceSteps: 10, numRounds: 4 };
    expect(() => intervalSchedule(options)).toThrow(/list at round 2: .* got 11/);
  });
});
