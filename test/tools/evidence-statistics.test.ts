import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { counterRandom } from '../../src/models/random/counter-random.js';
import { intraGroupCorrelation } from '../../src/operators/advantages/rule-statistics.js';

interface Estimate {
  readonly mean: number;
  readonly error: number;
}
interface Statistics {
  correlationWithinPrompts(groups: readonly { prompt: string; values: readonly number[] }[]): number | null;
  innerProducts(vectors: readonly (readonly number[])[]): number[][];
  meanAndError(values: readonly number[]): Estimate;
  shareOfAllPairs(products: readonly (readonly number[])[]): Estimate;
  signalShare(products: readonly (readonly number[])[]): number;
}

let statistics: Statistics;
beforeAll(async () => {
  statistics = await import(pathToFileURL('tools/evidence/statistics.mjs').href);
});

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Chunks μ + σ n of `size` numbers, all of μ being `signal`. */
function chunksOf(seed: number, { count, size, signal }: Record<'count' | 'size' | 'signal', number>) {
  return Array.from({ length: count }, (_, group) => {
    const noise = counterRandom({ seed, purpose: 'parameter-init', group }).normal(size);
    return Array.from(noise, (value) => signal + value);
  });
}

describe('signalShare', () => {
  it('should give |μ|² / (|μ|² + |noise|²) where the noises of chunks are orthogonal', () => {
    const vectors = [0, 1, 2, 3].map((chunk) => [
      3,
      0,
      4,
      ...[0, 1, 2, 3].map((axis) => (axis === chunk ? 5 : 0)),
    ]);
    expect(statistics.signalShare(statistics.innerProducts(vectors))).toBeCloseTo(25 / (25 + 25), 12);
  });

  it('should be 1 for equal chunks, whatever their scale', () => {
    const vectors = [
      [2, -6],
      [2, -6],
      [2, -6],
    ];
    expect(statistics.signalShare(statistics.innerProducts(vectors))).toBeCloseTo(1, 12);
  });

  it.each([
    ['no signal', 0],
    ['a share of 0.2', 0.5],
  ])('should be right in the mean over seeds, within its own error: %s', (_, signal) => {
    const share = signal ** 2 / (signal ** 2 + 1);
    const seeds = Array.from({ length: 200 }, (__, seed) =>
      statistics.signalShare(statistics.innerProducts(chunksOf(seed, { count: 8, size: 64, signal }))),
    );
    const { mean, error } = statistics.meanAndError(seeds);
    expect(Math.abs(mean - share)).toBeLessThan(3 * error);
    expect(error).toBeLessThan(0.01);
  });
});

describe('shareOfAllPairs', () => {
  it.each([
    ['no signal', 0, [1, 1.8]],
    ['a share of 0.2', 0.5, [0.8, 1.4]],
  ])('should state an error that holds or is too large: %s', (_, signal, [least = 0, most = 0]) => {
    const estimates = Array.from({ length: 200 }, (__, seed) =>
      statistics.shareOfAllPairs(statistics.innerProducts(chunksOf(seed, { count: 16, size: 64, signal }))),
    );
    const { error } = statistics.meanAndError(estimates.map(({ mean }) => mean));
    const deviation = error * Math.sqrt(estimates.length);
    const stated = average(estimates.map((estimate) => estimate.error));
    expect(stated / deviation).toBeGreaterThan(least);
    expect(stated / deviation).toBeLessThan(most);
  });
});

describe('correlationWithinPrompts', () => {
  it('should be the ratio of variances by hand', () => {
    // Group means -1, 1 and 9, 11: MSB = 2 * 4 / (4 - 2) = 4; within, 4 pairs at ±1: MSW = 8 / 4 = 2.
    const groups = [
      { prompt: 'a', values: [-2, 0] },
      { prompt: 'a', values: [0, 2] },
      { prompt: 'b', values: [8, 10] },
      { prompt: 'b', values: [10, 12] },
    ];
    expect(statistics.correlationWithinPrompts(groups)).toBeCloseTo((4 - 2) / (4 + 2), 12);
  });

  it('should be 0 in the mean for independent branches, where ICC(1) of centered values is -0.085', () => {
    const nested: number[] = [];
    const plain: number[] = [];
    for (let seed = 0; seed < 300; seed++) {
      const rewards = Array.from(counterRandom({ seed, purpose: 'parameter-init', group: 0 }).normal(144));
      const groups = Array.from({ length: 36 }, (_, group) => {
        const prompt = Math.floor(group / 3);
        const center = average(rewards.slice(12 * prompt, 12 * (prompt + 1)));
        const values = rewards.slice(4 * group, 4 * (group + 1)).map((value) => value - center);
        return { prompt: `${prompt}`, values };
      });
      nested.push(statistics.correlationWithinPrompts(groups) ?? Number.NaN);
      plain.push(intraGroupCorrelation(groups.map(({ values }) => values)) ?? Number.NaN);
    }
    expect(average(nested)).toBeCloseTo(0, 1);
    expect(Math.abs(average(nested))).toBeLessThan(0.015);
    expect(Math.abs(average(plain) + 0.085)).toBeLessThan(0.015);
  });
});
