import { describe, expect, test } from 'vitest';
import { guidedOutput, usesGuidance } from '../../../src/models/diffusion/guided-output.js';

describe('usesGuidance', () => {
  test.each([
    [0, false],
    [0.5, false],
    [1, false],
    [1.000_001, true],
    [7.5, true],
  ])('should say of %d what do_classifier_free_guidance of diffusers says: %s', (scale, guides) => {
    expect(usesGuidance(scale)).toBe(guides);
  });
});

describe('guidedOutput', () => {
  test('should extrapolate from the unconditional through the conditional output', () => {
    const guided = guidedOutput(Float32Array.of(1, -2), Float32Array.of(2, 0), 5);
    expect(guided).toEqual(Float32Array.of(6, 8));
  });

  test('should refuse outputs of different lengths', () => {
    expect(() => guidedOutput(new Float32Array(2), new Float32Array(3), 2)).toThrow('expected 2 values');
  });
});
