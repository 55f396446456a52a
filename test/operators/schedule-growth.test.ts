import { concatWith, from, last, map, of, take, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { CorrelationSpec } from '../../src/operators/interval-schedule.js';
import {
  placeAfter,
  placeAt,
  type RoundEvidence,
  type SchedulePlace,
  scheduleGrowth,
} from '../../src/operators/schedule-growth.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

const spec: CorrelationSpec = { mode: 'correlation', first: 2, last: 4, threshold: 0.4, rounds: 2 };
const evidence = (
  correlation: number | null,
  firstStep: number | null = 8,
  isFrozen = false,
): RoundEvidence => ({
  correlation,
  firstStep,
  isFrozen,
});
const growth = (start = placeAt(0), options: CorrelationSpec = spec) =>
  scheduleGrowth({ spec: options, start, evidenceOf: (round: RoundEvidence) => round });
const [low, high] = [evidence(0.1), evidence(0.6)];
const seen = (correlations: number[], stayed = correlations.length, position = 0): SchedulePlace => ({
  position,
  firstStep: 8,
  correlations,
  stayed,
});

describeOperator('scheduleGrowth', {
  create: () => growth(),
  inputs: { a: low, b: high, c: high },
  outputs: { x: [low, seen([0.1])], y: [high, seen([0.1, 0.6])], z: [high, placeAt(1)] },
  source: '-a--b-c-|',
  result: '-x--y-z-|',
  synchronous: [low],
});

/** The positions after each of these rounds. */
function positions(rounds: readonly RoundEvidence[], options: CorrelationSpec = spec): number[] {
  let found: number[] = [];
  from(rounds)
    .pipe(
      growth(placeAt(0), options),
      map(([, { position }]) => position),
      toArray(),
    )
    .subscribe((all) => {
      found = all;
    });
  return found;
}

describe('scheduleGrowth', () => {
  it('should hold while branches decide, and grow once the mean of the last rounds says that they do not', () => {
    expect(positions([low, low, low, high, low, high, high])).toEqual([0, 0, 0, 0, 0, 0, 1]);
  });

  it('should measure a new interval anew, and never grow beyond the last', () => {
    const rounds = [8, 8, 7, 7, 6, 6, 6].map((firstStep) => evidence(1, firstStep));
    expect(positions(rounds)).toEqual([0, 1, 1, 2, 2, 2, 2]);
  });

  it('should learn nothing from rounds without a correlation: of lost groups, or of equal rewards', () => {
    expect(positions([high, evidence(null), evidence(null), high])).toEqual([0, 0, 0, 1]);
    expect(positions([high, evidence(0.6, null), high])).toEqual([0, 0, 1]);
  });

  it('should grow after a number of rounds whatever they say, where it is told so', () => {
    const options = { ...spec, mostRounds: 3 };
    const rounds = [8, 8, 8, 7, 7, 7].map((firstStep) => evidence(null, firstStep));
    expect(positions(rounds, options)).toEqual([0, 0, 1, 1, 1, 2]);
  });

  it('should stand still while people have frozen the schedule', () => {
    const frozen = evidence(1, 3, true);
    expect(positions([high, frozen, frozen, frozen, high])).toEqual([0, 0, 0, 0, 1]);
  });

  it('should count anew where people advance or rewind the interval', () => {
    const [here, ahead] = [evidence(0.6, 8), evidence(0.6, 5)];
    expect(positions([here, ahead, ahead])).toEqual([0, 0, 1]);
    expect(positions([here, ahead, here, here])).toEqual([0, 0, 0, 1]);
  });

  it('should go on after a restart at any round as if there had been none', () => {
    const rounds = [0.1, 0.5, 0.4, null, 0.9, 0.2, 0.7, 0.6].map((correlation) => evidence(correlation));
    const whole: SchedulePlace[] = [];
    from(rounds)
      .pipe(growth())
      .subscribe(([, place]) => whole.push(place));
    for (let cut = 1; cut < rounds.length; cut++) {
      const resumed: SchedulePlace[] = [];
      from(rounds.slice(0, cut))
        .pipe(growth(), last())
        .subscribe(([, place]) => {
          // As a checkpoint keeps it.
          const saved = JSON.parse(JSON.stringify(place)) as SchedulePlace;
          from(rounds.slice(cut))
            .pipe(growth(saved))
            .subscribe(([, next]) => resumed.push(next));
        });
      expect(resumed).toEqual(whole.slice(cut));
    }
  });

  it('should keep the rounds that it needs and no more', () => {
    let place = placeAt(0);
    for (let round = 0; round < 100; round++) place = placeAfter(place, low, { ...spec, rounds: 5 });
    expect(place).toEqual(seen([0.1, 0.1, 0.1, 0.1, 0.1], 100));
  });

  it('should move every other schedule on with each round', () => {
    const constant = { mode: 'constant', steps: 3 } as const;
    expect(placeAfter(placeAt(4), high, constant)).toEqual(placeAt(5));
  });

  it('should begin anew with every subscription', () =>
    marbles(({ cold, expectObservable }) => {
      const twice$ = of(high, high).pipe(
        growth(),
        map(([, { position }]) => String(position)),
      );
      expectObservable(cold('a|', { a: 'x' }).pipe(take(0), concatWith(twice$, twice$))).toBe('(0101|)');
    }));
});
