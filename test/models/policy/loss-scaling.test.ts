/** @file Loss scaling: gradients that vanish without it, updates that are skipped, and a scale that falls to nothing. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Executable, Tensors } from '../../../src/models/engines/contract/engine.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import type { PolicyState } from '../../../src/models/policy/trainer.js';
import type { TrainerSettings } from '../../../src/models/policy/trainer-settings.js';
import type { TrainingSample } from '../../../src/models/policy/training-rows.js';
import { compileOnce } from '../../fixtures/compile-once.js';
import { emulatedHalf } from '../../fixtures/emulated-half.js';
import { unoptimized } from '../../fixtures/engine-agreement.js';
import { faultOf } from '../../fixtures/fault-of.js';
import {
  type OpenTiny,
  openTiny,
  openTinyTrainer,
  stepsFrom,
  TINY_SAMPLER,
} from '../../fixtures/open-tiny.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';

const TRAINED_STEPS = stepsFrom(3);
let tiny: OpenTiny;
/** The same, with the rounding of a device in what is in half precision. */
let emulated: OpenTiny;
let samples: readonly TrainingSample[];
let state: PolicyState;

beforeAll(async () => {
  const opened = await openTiny();
  tiny = { ...opened, engine: compileOnce(unoptimized(opened.engine)) };
  emulated = { ...opened, engine: compileOnce(emulatedHalf(opened.engine)) };
  ({ samples, state } = await sampleTiny(emulated, {}, TRAINED_STEPS, 0.3, 'float16'));
});
afterAll(() => tiny.close());

/** Four updates of three samples, unless it says otherwise; nothing is clipped. */
const half = (settings: Partial<TrainerSettings> = {}): Partial<TrainerSettings> => ({
  precision: 'float16',
  updates: { from: 'round', innerEpochs: 1, samplesPerUpdate: 3, remainder: 'train' },
  maxGradNorm: 1e30,
  ...settings,
});
const ONCE = { from: 'round', innerEpochs: 1, samplesPerUpdate: 12, remainder: 'train' } as const;
const round = (of = samples) => stageOf(of, { trainedSteps: TRAINED_STEPS });
const flat = (arrays: NamedArrays) =>
  Float64Array.from(Object.values(arrays).flatMap((values) => [...values]));

function relativeError(found: Float64Array, expected: Float64Array): number {
  const size = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return size(expected.map((value, i) => (found[i] ?? Number.NaN) - value)) / size(expected);
}

/** A tenth of it is the mean of gradients after one update. */
const gradientOf = async (opened: OpenTiny, settings: Partial<TrainerSettings>, of = samples) =>
  flat(
    (await (await openTinyTrainer(opened, settings)).train(round(of), state)).state.optimizer.firstMoments,
  );

/** An engine whose training graph gives something else. */
function altered(change: (outputs: Tensors) => Tensors): OpenTiny {
  const compile: OpenTiny['engine']['compile'] = async (model, options): Promise<Executable> => {
    const executable = await tiny.engine.compile(model, options);
    return { ...executable, run: async (feeds, more) => change(await executable.run(feeds, more)) };
  };
  return { ...tiny, engine: { ...tiny.engine, compile } };
}
const filled = (outputs: Tensors, names: RegExp, value: number): Tensors =>
  Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [
      name,
      names.test(name) ? { ...tensor, data: new Float32Array(tensor.data.length).fill(value) } : tensor,
    ]),
  );

describe('training in half precision', () => {
  it('should start at ratios near 1, and take the step of single precision', async () => {
    const trainer = await openTinyTrainer(emulated, half({ updates: ONCE }));
    const { state: after, statistics } = await trainer.train(round(), state);
    expect(statistics.optimizerSteps).toBe(1);
    expect(statistics.lossScaling).toEqual({ scale: 65536, skippedUpdates: 0 });
    // Log-probs are means over a latent, and rounding mostly cancels in a mean: 1e-2 where the network is off by 1e-3.
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-2);
    expect(statistics.maxRatioDeviation).toBeGreaterThan(0);
    const expected = await gradientOf(tiny, { updates: ONCE, maxGradNorm: 1e30 });
    expect(relativeError(flat(after.optimizer.firstMoments), expected)).toBeLessThan(5e-2);
  });

  it('should keep gradients that vanish without a scale', async () => {
    const faint = samples.map((sample) => ({ ...sample, advantage: sample.advantage * 1e-7 }));
    const settings = { updates: ONCE, maxGradNorm: 1e30 };
    const expected = await gradientOf(tiny, settings, faint);
    const unscaled = await gradientOf(
      emulated,
      half({ ...settings, lossScale: { initial: 1, growthInterval: 2000 } }),
      faint,
    );
    const scaled = await gradientOf(
      emulated,
      half({ ...settings, lossScale: { initial: 2 ** 24, growthInterval: 2000 } }),
      faint,
    );
    expect(relativeError(unscaled, expected)).toBeGreaterThan(0.5);
    expect(relativeError(scaled, expected)).toBeLessThan(5e-2);
  });

  it('should skip updates whose gradients overflow, halve the scale, and train on', async () => {
    const initial = 2 ** 30;
    const trainer = await openTinyTrainer(emulated, half({ lossScale: { initial, growthInterval: 2000 } }));
    let [current, skipped, taken] = [state, 0, 0];
    // The first rounds are skipped whole: nothing changes but the scale.
    for (let rounds = 0; rounds < 8 && taken === 0; rounds++) {
      const { state: next, statistics } = await trainer.train(round(), current);
      skipped += statistics.lossScaling?.skippedUpdates ?? 0;
      taken += statistics.optimizerSteps;
      expect(statistics.lossScaling?.scale).toBe(initial / 2 ** skipped);
      expect(statistics.optimizerSteps + (statistics.lossScaling?.skippedUpdates ?? 0)).toBe(4);
      for (const figure of [statistics.gradNorm, statistics.policyLoss, statistics.meanRatioDeviation])
        expect(figure).toBeLessThan(1e6);
      if (statistics.optimizerSteps === 0) {
        expect(next.parameters).toEqual(current.parameters);
        expect(next.optimizer).toEqual(current.optimizer);
      }
      current = next;
    }
    expect(skipped).toBeGreaterThan(0);
    expect(taken).toBeGreaterThan(0);
    expect(current.optimizer.step).toBe(taken);
    expect(current.parameters).not.toEqual(state.parameters);
    expect(flat(current.parameters).every(Number.isFinite)).toBe(true);
  });

  it('should double the scale after so many updates in a row, from one round to the next', async () => {
    const trainer = await openTinyTrainer(tiny, half({ lossScale: { initial: 8, growthInterval: 3 } }));
    const first = await trainer.train(round(), state);
    expect(first.state.lossScale).toEqual({ scale: 16, goodUpdates: 1 });
    const second = await trainer.train(round(), first.state);
    expect(second.state.lossScale).toEqual({ scale: 32, goodUpdates: 2 });
  });

  it('should stop where no scale helps', async () => {
    const broken = altered((outputs) => filled(outputs, /^gradient:/, Number.POSITIVE_INFINITY));
    const trainer = await openTinyTrainer(
      broken,
      half({ lossScale: { initial: 2 ** -14, growthInterval: 2000 } }),
    );
    expect(await faultOf(() => trainer.train(round(), state))).toEqual([
      'TRIB_ENGINE',
      'round 0: expected a finite gradient at some loss scale, got none down to 0.0000152587890625. Start anew with a smaller learningRate, or model.precision: float32, and another --run-dir; the last checkpoint is kept.',
    ]);
  });

  it('should stop at a loss that is no number: no scale makes activations smaller', async () => {
    const broken = altered((outputs) => filled(outputs, /^loss$/, Number.NaN));
    const trainer = await openTinyTrainer(broken, half());
    expect(await faultOf(() => trainer.train(round(), state))).toEqual([
      'TRIB_ENGINE',
      expect.stringContaining('expected a finite loss, got NaN: the network'),
    ]);
  });

  it('should have no scale in single precision', async () => {
    const trainer = await openTinyTrainer(tiny, { sampling: TINY_SAMPLER });
    const { state: after, statistics } = await trainer.train(round(), state);
    expect('lossScaling' in statistics || 'lossScale' in after).toBe(false);
  });
});
