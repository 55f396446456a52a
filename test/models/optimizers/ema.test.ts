import { describe, expect, it } from 'vitest';
import { emaStep } from '../../../src/models/optimizers/ema.js';

describe('emaStep', () => {
  it('should follow the steps of diffusers, and hold the decay from then on', () => {
    // EMAModel(parameters=[0.0], decay=0.25), stepped with 1, 2, ... 6.
    let average: Readonly<Record<string, Float32Array>> = { a: Float32Array.of(0) };
    const averages = [1, 2, 3, 4, 5, 6].map((value) => {
      average = emaStep(average, { a: Float32Array.of(value) }, value, 0.25);
      return average.a?.[0] ?? Number.NaN;
    });
    const wanted = [1, 1.8181818, 2.7045455, 3.6761363, 4.6690341, 5.6672587];
    for (const [step, value] of wanted.entries()) expect(averages[step]).toBeCloseTo(value, 6);
  });
});
