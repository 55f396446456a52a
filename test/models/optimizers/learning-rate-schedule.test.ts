import { describe, expect, it } from 'vitest';
import { learningRateFactor } from '../../../src/models/optimizers/adamw.js';

describe('learningRateFactor', () => {
  it('should stay 1 if it is constant', () => {
    expect([0, 3, 9].map((round) => learningRateFactor('constant', round, 10))).toEqual([1, 1, 1]);
  });

  it('should fall in a line from 1 and end above 0', () => {
    expect([0, 5, 9].map((round) => learningRateFactor('linear', round, 10))).toEqual([
      1,
      0.5,
      expect.closeTo(0.1, 12),
    ]);
  });

  it('should keep the factor of the last planned round after it', () => {
    expect([3, 4, 400].map((round) => learningRateFactor('linear', round, 4))).toEqual([0.25, 0.25, 0.25]);
  });

  it('should not fall below its floor, which a constant rate does not read', () => {
    expect([0, 2, 3, 400].map((round) => learningRateFactor('linear', round, 4, 0.4))).toEqual([
      1, 0.5, 0.4, 0.4,
    ]);
    expect(learningRateFactor('constant', 9, 4, 0.4)).toBe(1);
  });
});
