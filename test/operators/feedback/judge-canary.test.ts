import { describe, expect, it } from 'vitest';
import { counterRandom } from '../../../src/models/random/counter-random.js';
import {
  type CanaryTally,
  judgeCanary,
  NO_CHOICES,
  type Preference,
  preferenceOf,
  winRateInterval,
  withChoice,
} from '../../../src/operators/index.js';

describe('winRateInterval', () => {
  // By a search over 100,000 rates with the ratio of beta functions from Python's lgamma.
  it.each([
    [{ wins: 30, losses: 10 }, 0.95, 0.51174, 0.91442],
    [{ wins: 5, losses: 0 }, 0.95, 0.38386, 1],
    [{ wins: 60, losses: 60 }, 0.9, 0.36594, 0.63406],
    [{ wins: 7, losses: 21 }, 0.95, 0.06738, 0.53151],
    [{ wins: 2000, losses: 1000 }, 0.95, 0.63439, 0.69794],
  ])('should be that of the beta mixture for %j at %d', (counts, confidence, lower, upper) => {
    const [from, to] = winRateInterval(counts, confidence);
    expect(from).toBeCloseTo(lower, 4);
    expect(to).toBeCloseTo(upper, 4);
  });

  it('should say nothing before there is a choice, nor of sides that are not reached', () => {
    expect(winRateInterval({ wins: 0, losses: 0 }, 0.95)).toEqual([0, 1]);
    expect(winRateInterval({ wins: 0, losses: 3 }, 0.95)[0]).toBe(0);
  });

  it('should leave out the true rate as seldom as it says, though it is looked at after every choice', () => {
    const runs = 200;
    const rate = 0.5;
    let left = 0;
    for (let run = 0; run < runs; run++) {
      const random = counterRandom({ seed: 7, purpose: 'bootstrap', group: run });
      const counts = { wins: 0, losses: 0 };
      for (let choice = 0; choice < 100; choice++) {
        if (random.uniform() < rate) counts.wins += 1;
        else counts.losses += 1;
        const [lower, upper] = winRateInterval(counts, 0.9);
        if (lower > rate || upper < rate) {
          left += 1;
          break;
        }
      }
    }
    expect(left / runs).toBeLessThan(0.1);
    expect(left).toBeGreaterThan(0);
  });
});

describe('judgeCanary', () => {
  const rule = { confidence: 0.95, leastChoices: 20, mostRounds: 25 };
  const tally = (wins: number, losses: number, ties = 0): CanaryTally => ({ wins, losses, ties });

  it.each<[string, CanaryTally, number, string]>([
    ['promote what people clearly prefer', tally(30, 10), 3, 'promote'],
    ['roll back what they clearly like less', tally(10, 30), 3, 'roll-back'],
    ['hold while the choices do not tell', tally(20, 20), 24, 'hold'],
    ['promote what they do not speak against in time', tally(18, 20), 25, 'promote'],
    ['roll back, not promote, when both are due', tally(10, 30), 25, 'roll-back'],
    ['hold before enough has been chosen', tally(12, 0), 3, 'hold'],
    ['count ties toward what is enough, and for nobody', tally(12, 0, 8), 3, 'promote'],
    ['promote where nobody chose', NO_CHOICES, 25, 'promote'],
  ])('should %s', (_, counts, rounds, verdict) => {
    expect(judgeCanary(counts, rounds, rule).verdict).toBe(verdict);
  });

  it('should count each choice for its side', () => {
    const choices: Preference[] = [1, 0, -1, 1];
    expect(choices.reduce(withChoice, NO_CHOICES)).toEqual(tally(2, 1, 1));
  });
});

describe('a comparison of policies', () => {
  it.each([
    [0.75, 31],
    [0.6, 203],
  ])('should be over after about as many choices as docs/gateway.md says: a rate of %d', (rate, choices) => {
    const rule = { confidence: 0.95, leastChoices: 20, mostRounds: Number.POSITIVE_INFINITY };
    const lengths = Array.from({ length: 101 }, (_, run) => {
      const random = counterRandom({ seed: 8, purpose: 'bootstrap', group: run });
      let tally = NO_CHOICES;
      let length = 0;
      while (judgeCanary(tally, 0, rule).verdict === 'hold') {
        tally = withChoice(tally, random.uniform() < rate ? 1 : -1);
        length += 1;
      }
      return length;
    }).sort((a, b) => a - b);
    expect(Math.abs((lengths[50] ?? 0) / choices - 1)).toBeLessThan(0.2);
  });
});

describe('preferenceOf', () => {
  it.each<[string, number[], number[], Preference]>([
    ['one of the canary was the best', [0, 1, 0, 0], [1, 3], 1],
    ['another was the best', [1, 0, 0, 0], [1, 3], -1],
    ['none was', [0, 0, 0, 0], [1, 3], 0],
    ['its only picture lost against two', [0, 0, 1], [0], -1],
    ['ratings are alike', [0.1, 0.1, 0.1, 0.1], [0], 0],
    ['ratings differ in the mean', [0.2, 0.9, 0.6, 0.1], [0, 2], -1],
  ])('should be the side whose mean is higher: %s', (_, rewards, pictures, preference) => {
    expect(preferenceOf(rewards, pictures)).toBe(preference);
  });
});
