import { describe, expect, test } from 'vitest';
import { adamWStep, initialAdamWState, type NamedArrays } from '../../../src/models/optimizers/adamw.js';

const OPTIONS = { learningRate: 0.1, adamBeta1: 0.9, adamBeta2: 0.99, adamEpsilon: 1e-8, weightDecay: 0.1 };
const one = (value: number): NamedArrays => ({ w: Float32Array.of(value) });

describe('adamWStep', () => {
  test('should take two steps as worked by hand', () => {
    // Step 1, g = 0.5: decayed 0.99; m = 0.05 -> 0.5, v = 0.0025 -> 0.25; 0.99 - 0.1 · 0.5 / 0.5.
    const first = adamWStep(one(1), one(0.5), initialAdamWState(one(1)), OPTIONS);
    expect(first.parameters.w?.[0]).toBeCloseTo(0.89, 6);
    expect(first.state.step).toBe(1);
    expect(first.state.firstMoments.w?.[0]).toBeCloseTo(0.05, 7);
    expect(first.state.secondMoments.w?.[0]).toBeCloseTo(0.0025, 8);
    // Step 2, g = -1: m = -0.055 -> /0.19; v = 0.012475 -> /0.0199; 0.8811 + 0.1 · 0.2894737 / 0.7917603.
    const second = adamWStep(first.parameters, one(-1), first.state, OPTIONS);
    expect(second.parameters.w?.[0]).toBeCloseTo(0.9176608, 6);
    expect(second.state.firstMoments.w?.[0]).toBeCloseTo(-0.055, 7);
    expect(second.state.secondMoments.w?.[0]).toBeCloseTo(0.012475, 8);
  });

  test('should scale the learning rate by parameter, and its decay with it', () => {
    const parameters = { fast: Float32Array.of(1), slow: Float32Array.of(1) };
    const gradients = { fast: Float32Array.of(0.5), slow: Float32Array.of(0.5) };
    const learningRateScale = (name: string) => (name === 'slow' ? 0.1 : 1);
    const options = { ...OPTIONS, learningRateScale };
    const { parameters: next } = adamWStep(parameters, gradients, initialAdamWState(parameters), options);
    const tenth = adamWStep(one(1), one(0.5), initialAdamWState(one(1)), { ...OPTIONS, learningRate: 0.01 });
    expect(next.fast?.[0]).toBeCloseTo(0.89, 6);
    expect(next.slow).toEqual(tenth.parameters.w);
  });

  test('should add adamEpsilon to the corrected root', () => {
    const { parameters } = adamWStep(one(1), one(0.5), initialAdamWState(one(1)), {
      ...OPTIONS,
      adamEpsilon: 0.5,
    });
    expect(parameters.w?.[0]).toBeCloseTo(0.94, 6);
  });

  test('should only decay if the gradient is zero', () => {
    const { parameters } = adamWStep(one(2), one(0), initialAdamWState(one(2)), OPTIONS);
    expect(parameters.w?.[0]).toBeCloseTo(1.98, 6);
  });

  test("should default to PyTorch's settings", () => {
    const { parameters, state } = adamWStep(one(1), one(2), initialAdamWState(one(1)), { learningRate: 0.1 });
    expect(parameters.w?.[0]).toBeCloseTo(0.999 - 0.1, 6);
    expect(state.firstMoments.w?.[0]).toBeCloseTo(0.2, 6);
    expect(state.secondMoments.w?.[0]).toBeCloseTo(0.004, 7);
  });

  test('should find the minimum of a bowl', () => {
    const target = [3, -1, 0.5];
    let parameters: NamedArrays = { a: new Float32Array(2), b: new Float32Array(1) };
    let state = initialAdamWState(parameters);
    const slopes = (at: Float32Array | undefined, wanted: number[]) =>
      Float32Array.from(at ?? [], (value, i) => value - (wanted[i] ?? 0));
    for (let step = 0; step < 400; step++) {
      const gradients = { a: slopes(parameters.a, target), b: slopes(parameters.b, target.slice(2)) };
      ({ parameters, state } = adamWStep(parameters, gradients, state, {
        learningRate: 0.05,
        weightDecay: 0,
      }));
    }
    const found = [...(parameters.a ?? []), ...(parameters.b ?? [])];
    found.forEach((value, i) => {
      expect(value).toBeCloseTo(target[i] ?? 0, 2);
    });
  });

  test('should leave its arguments as they were', () => {
    const [parameters, gradients] = [one(1), one(0.5)];
    const state = initialAdamWState(parameters);
    adamWStep(parameters, gradients, state, OPTIONS);
    expect([parameters, gradients, state]).toEqual([one(1), one(0.5), initialAdamWState(one(1))]);
  });

  test('should refuse gradients of other parameters', () => {
    const state = initialAdamWState(one(1));
    expect(() => adamWStep(one(1), {}, state, OPTIONS)).toThrow(
      'gradient of "w": expected 1 values, got none',
    );
    const longer = { w: new Float32Array(2) };
    expect(() => adamWStep(longer, longer, state, OPTIONS)).toThrow(
      'first moment of "w": expected 2 values, got 1',
    );
  });
});
