import { describe, expect, test } from 'vitest';
import { clipGradNorm } from '../../../src/models/optimizers/clip-grad-norm.js';

const GRADIENTS = { a: Float32Array.of(3, 0), b: Float32Array.of(-4) };

describe('clipGradNorm', () => {
  test('should scale all arrays by their common norm and report it', () => {
    const { gradients, gradNorm } = clipGradNorm(GRADIENTS, 1);
    expect(gradNorm).toBe(5);
    expect(gradients.a?.[0]).toBeCloseTo(0.6, 6);
    expect(gradients.b?.[0]).toBeCloseTo(-0.8, 6);
    expect(GRADIENTS.a).toEqual(Float32Array.of(3, 0));
  });

  test.each([5.1, Number.POSITIVE_INFINITY])('should leave gradients below %d alone', (maxGradNorm) => {
    expect(clipGradNorm(GRADIENTS, maxGradNorm)).toEqual({ gradients: GRADIENTS, gradNorm: 5 });
  });

  test('should report a norm that is not finite and change nothing', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const gradients = { a: Float32Array.of(1, bad) };
      const result = clipGradNorm(gradients, 1);
      expect(Number.isFinite(result.gradNorm)).toBe(false);
      expect(result.gradients).toEqual(gradients);
    }
  });
});
