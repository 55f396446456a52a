import { describe, expect, test } from 'vitest';
import { guidedOutput } from '../../../src/models/diffusion/guided-output.js';

describe('guidedOutput', () => {
  test('should extrapolate from the unconditional through the conditional output', () => {
    const guided = guidedOutput(Float32Array.of(1, -2), Float32Array.of(2, 0), 5);
    expect(guided).toEqual(Float32Array.of(6, 8));
  });

  test('should be the conditional output alone at scale 1', () => {
    expect(guidedOutput(Float32Array.of(1, -2), Float32Array.of(2, 0.5), 1)).toEqual(Float32Array.of(2, 0.5));
  });

  test('should refuse outputs of different lengths', () => {
    expect(() => guidedOutput(new Float32Array(2), new Float32Array(3), 2)).toThrow('expected 2 values');
  });
});
