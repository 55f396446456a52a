import { describe, expect, test } from 'vitest';
import { estimate, studentQuantile } from '../../../../src/streams/study/results/estimate.js';

describe('studentQuantile', () => {
  test.each([
    [1, 12.7062],
    [2, 4.3027],
    [4, 2.7764],
    [9, 2.2622],
    [30, 2.0423],
    [31, 2.0395],
    [40, 2.0211],
    [60, 2.0003],
    [120, 1.9799],
  ])('should be what printed tables say for %i degrees of freedom', (degrees, quantile) => {
    expect(Math.abs(studentQuantile(degrees) - quantile)).toBeLessThan(1e-4);
  });

  test('should fall toward the normal quantile', () => {
    const quantiles = Array.from({ length: 60 }, (_, index) => studentQuantile(index + 1));
    expect(quantiles).toEqual([...quantiles].sort((a, b) => b - a));
    expect(studentQuantile(1e6)).toBeCloseTo(1.959966, 6);
  });
});

describe('estimate', () => {
  test('should be the mean with t s / √n to either side', () => {
    // s = 0.1; 4.3027 x 0.1 / √3 = 0.248416.
    expect(estimate([0.4, 0.5, 0.6])).toEqual({
      mean: 0.5,
      halfWidth: expect.closeTo(0.248416, 5),
      count: 3,
    });
  });

  test('should have no interval for one seed', () => {
    expect(estimate([0.4])).toEqual({ mean: 0.4, halfWidth: null, count: 1 });
  });

  test('should be nothing where a value was not measured, or there is none', () => {
    expect([estimate([0.4, null]), estimate([])]).toEqual([null, null]);
  });
});
