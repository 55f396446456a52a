import { describe, expect, it } from 'vitest';
import type { NoiseSchedule } from '../../../src/models/diffusion/noise-schedule.js';
import type { DenoisingSurrogate } from '../../../src/models/objectives/surrogate.js';
import type { Pipeline } from '../../../src/models/pipeline/pipeline.js';
import {
  type DenoisingKey,
  denoisingPairUnits,
  denoisingUnits,
} from '../../../src/models/policy/denoising-rows.js';
import type { TrainingRow, TrainingSample } from '../../../src/models/policy/training-rows.js';
import { flowSchedule, scheduleWith } from '../diffusion/schedules.js';

const KEY: DenoisingKey = { seed: 3, round: 1, epoch: 0, update: 2 };
const DDIM = scheduleWith();

/** A picture of one number, at the end of a path from step 2 of 4. */
const sample = (picture: number, advantage = 0): TrainingSample => ({
  groupId: 'group',
  prompt: `picture ${picture}`,
  advantage,
  stepAdvantages: null,
  trajectory: { firstStep: 2, latents: Float32Array.of(-7, -8, picture), logProbs: new Float32Array(2) },
});

function rowsOf(
  samples: readonly TrainingSample[],
  timestepsPerSample: number,
  {
    schedule = DDIM as NoiseSchedule,
    key = KEY,
    transformAdvantages,
  }: {
    schedule?: NoiseSchedule;
    key?: DenoisingKey;
    transformAdvantages?: (advantages: readonly number[]) => number[];
  } = {},
): TrainingRow[] {
  const pipeline = { latentShape: [1, 1, 1], schedule } as unknown as Pipeline;
  const surrogate = {
    timestepsPerSample,
    ...(transformAdvantages && { transformAdvantages }),
  } as DenoisingSurrogate;
  return denoisingUnits(pipeline, surrogate, samples, key).flat();
}

/** x_t, x_0 and the target of a row. */
const numbersOf = (row: TrainingRow) => {
  const { sample: noisy, cleanLatents, target } = row.latents();
  return { noisy: noisy[0] ?? 0, clean: cleanLatents?.[0] ?? Number.NaN, target: target?.[0] ?? Number.NaN };
};

describe('denoisingUnits', () => {
  it('should noise every picture at timesteps of its own, all rows weighing the same', () => {
    const rows = rowsOf([sample(0.5), sample(-2)], 3);
    for (const clean of [0.5, -2]) {
      const own = rows.filter((row) => numbersOf(row).clean === clean);
      expect(own.map(({ prompt }) => prompt)).toEqual(new Array(3).fill(`picture ${clean}`));
    }
    // In the order of their timesteps, for models that take one for all rows of a run.
    const timesteps = rows.map(({ timestep }) => timestep);
    expect(timesteps).toEqual(timesteps.toSorted((a, b) => a - b));
    expect(new Set(rows.map(({ timestep }) => timestep)).size).toBe(6);
    expect(new Set(rows.map((row) => numbersOf(row).target)).size).toBe(6);
    for (const { step, weight } of rows) expect([step, weight]).toEqual([null, 1 / 6]);
  });

  it('should make x_t of the picture and the noise, and know the picture that an output speaks of: epsilon', () => {
    for (const row of rowsOf([sample(0.5), sample(-2)], 8)) {
      const alphaProdT = DDIM.alphasCumprod[row.timestep] ?? Number.NaN;
      const { noisy, clean, target: noise } = numbersOf(row);
      expect(row.scalars.signalScale).toBeCloseTo(Math.sqrt(alphaProdT), 12);
      expect(row.scalars.noiseScale).toBeCloseTo(Math.sqrt(1 - alphaProdT), 12);
      expect(noisy).toBeCloseTo(Math.sqrt(alphaProdT) * clean + Math.sqrt(1 - alphaProdT) * noise, 5);
      const { latentsCoefficient = 0, outputCoefficient = 0 } = row.scalars;
      // x̂_0 divides by √ᾱ_t, down to 0.07, and with it what float32 has rounded.
      expect(latentsCoefficient * noisy + outputCoefficient * noise).toBeCloseTo(clean, 4);
    }
  });

  it('should do the same for a flow, whose target is the velocity', () => {
    for (const row of rowsOf([sample(0.5)], 8, { schedule: flowSchedule({ shift: 3 }) })) {
      const sigma = row.timestep / 1000;
      const { noisy, clean, target: velocity } = numbersOf(row);
      expect(sigma).toBeGreaterThan(0);
      expect(sigma).toBeLessThanOrEqual(1);
      expect(row.scalars).toMatchObject({
        noiseScale: sigma,
        latentsCoefficient: 1,
        outputCoefficient: -sigma,
      });
      expect(noisy).toBeCloseTo(clean + sigma * velocity, 6);
    }
  });

  it('should draw timesteps uniformly, and noise from N(0, 1)', () => {
    const rows = rowsOf([sample(1)], 4000);
    const share = (from: number, to: number) =>
      rows.filter(({ timestep }) => timestep >= from && timestep < to).length / 4000;
    // Binomial(4000, 1/4): standard deviation 0.0068; four of them.
    for (const from of [0, 250, 500, 750])
      expect(Math.abs(share(from, from + 250) - 0.25)).toBeLessThan(0.028);
    const noises = rows.map((row) => numbersOf(row).target);
    const mean = noises.reduce((sum, value) => sum + value, 0) / 4000;
    const variance = noises.reduce((sum, value) => sum + value ** 2, 0) / 4000;
    // Standard deviations 1/√4000 = 0.0158 and √(2/4000) = 0.0224; four of them.
    expect(Math.abs(mean)).toBeLessThan(0.064);
    expect(Math.abs(variance - 1)).toBeLessThan(0.09);
  });

  it('should be the same for equal keys, and other in any other seed, round, epoch or update', () => {
    const drawn = (key: DenoisingKey) =>
      rowsOf([sample(1)], 2, { key }).map((row) => [row.timestep, numbersOf(row).noisy]);
    const keys = [
      KEY,
      { ...KEY, seed: 4 },
      { ...KEY, round: 2 },
      { ...KEY, epoch: 1 },
      { ...KEY, update: 3 },
    ];
    expect(drawn({ ...KEY })).toEqual(drawn(KEY));
    expect(new Set(keys.map((key) => drawn(key).join())).size).toBe(5);
  });

  it('should hand the advantages of an update to the surrogate together', () => {
    const samples = [sample(1, 3), sample(2, -1)];
    const advantages = (rows: readonly TrainingRow[]) =>
      rows.map(({ prompt, advantage }) => [prompt, advantage]).sort();
    expect(advantages(rowsOf(samples, 2))).toEqual([
      ['picture 1', 3],
      ['picture 1', 3],
      ['picture 2', -1],
      ['picture 2', -1],
    ]);
    const transformAdvantages = (advantages: readonly number[]) =>
      advantages.map((value) => value / advantages.reduce((sum, one) => sum + one, 0));
    expect(advantages(rowsOf(samples, 2, { transformAdvantages }))).toEqual([
      ['picture 1', 1.5],
      ['picture 1', 1.5],
      ['picture 2', -0.5],
      ['picture 2', -0.5],
    ]);
  });
});

describe('denoisingPairUnits', () => {
  const pipeline = { latentShape: [1, 1, 1], schedule: DDIM } as unknown as Pipeline;
  const surrogate = { timestepsPerSample: 3 } as DenoisingSurrogate;
  const pairs = [
    [sample(1), sample(-1)],
    [sample(2), sample(-2)],
  ] as const;
  const units = denoisingPairUnits(pipeline, surrogate, pairs, KEY);

  it('should noise both pictures of a pair alike, and every pair in its own way', () => {
    expect(units).toHaveLength(6);
    const noises = units.map(([preferred, rejected]) => {
      if (!preferred || !rejected) throw new Error('expected two rows');
      const [one, other] = [numbersOf(preferred), numbersOf(rejected)];
      expect(other.clean).toBe(-one.clean);
      expect(one.clean).toBeGreaterThan(0);
      expect([rejected.timestep, other.target]).toEqual([preferred.timestep, one.target]);
      return one.target;
    });
    expect(new Set(noises).size).toBe(6);
  });

  it('should weigh every pair of rows alike, in the order of their timesteps', () => {
    for (const { weight } of units.flat()) expect(weight).toBe(1 / 6);
    const timesteps = units.map(([preferred]) => preferred?.timestep ?? Number.NaN);
    expect(timesteps).toEqual(timesteps.toSorted((a, b) => a - b));
  });
});
