import { describe, expect, it } from 'vitest';
import { counterRandom } from '../../../../src/models/random/counter-random.js';
import { drawPrompt } from '../../../../src/streams/stages/prompts/draw-prompt.js';
import { listed } from '../../../fixtures/listed-prompts.js';

const weighted = (...weights: readonly number[]) =>
  weights.map((weight, index) => ({ prompt: String(index), weight }));
const indices = (count: number) => Array.from({ length: count }, (_, index) => index);

function countsOf(weights: readonly number[], choice: 'uniform' | 'round-robin', groups: readonly number[]) {
  const prompts = weighted(...weights);
  const counts = weights.map(() => 0);
  for (const groupIndex of groups) {
    const drawn = Number(drawPrompt(prompts, { seed: 5, choice, groupIndex }).prompt);
    counts[drawn] = (counts[drawn] ?? 0) + 1;
  }
  return counts;
}

describe('drawPrompt', () => {
  it.each([listed('0', '1', '2', '3', '4'), weighted(3, 3, 3, 3, 3)])(
    'should draw equal weights as lists were always drawn',
    (...prompts) => {
      for (const groupIndex of indices(40)) {
        const draw = (choice: 'uniform' | 'round-robin') =>
          drawPrompt(prompts, { seed: 7, choice, groupIndex }).prompt;
        const random = (group: number) => counterRandom({ seed: 7, purpose: 'prompt-choice', group });
        expect(draw('uniform')).toBe(String(random(groupIndex).integer(5)));
        const round = random(Math.floor(groupIndex / 5)).shuffle(indices(5));
        expect(draw('round-robin')).toBe(String(round[groupIndex % 5]));
      }
    },
  );

  it('should draw in proportion to the weights', () => {
    const weights = [1, 4, 0.5, 2.5];
    const counts = countsOf(weights, 'uniform', indices(8000));
    // Four deviations of a binomial count.
    for (const [index, weight] of weights.entries()) {
      const share = weight / 8;
      expect(Math.abs((counts[index] ?? 0) - 8000 * share)).toBeLessThan(
        4 * Math.sqrt(8000 * share * (1 - share)),
      );
    }
  });

  it('should give each its share of every round, rounded up or down, and in all rounds on average', () => {
    const weights = [1, 4, 0.5, 2.5];
    for (const round of indices(50)) {
      const counts = countsOf(
        weights,
        'round-robin',
        indices(4).map((index) => 4 * round + index),
      );
      for (const [index, weight] of weights.entries()) {
        expect(counts[index]).toBeGreaterThanOrEqual(Math.floor(weight / 2));
        expect(counts[index]).toBeLessThanOrEqual(Math.ceil(weight / 2));
      }
    }
    const counts = countsOf(weights, 'round-robin', indices(8000));
    for (const [index, weight] of weights.entries())
      expect((counts[index] ?? 0) / 1000).toBeCloseTo(weight, 0);
  });

  it('should know weights whose sum no float64 holds', () => {
    const counts = countsOf([1e308, 1e308, 5e307, 1e-300], 'uniform', indices(1000));
    expect(counts[3]).toBe(0);
    expect(counts[0]).toBeGreaterThan(300);
    expect(counts[2]).toBeGreaterThan(100);
  });
});
