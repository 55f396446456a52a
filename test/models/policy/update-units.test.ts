import { describe, expect, it } from 'vitest';
import { samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import { createSurrogate } from '../../../src/models/objectives/index.js';
import type { Pipeline } from '../../../src/models/pipeline/pipeline.js';
import type { Transition } from '../../../src/models/policy/replay-buffer.js';
import type { UpdateSettings } from '../../../src/models/policy/trainer-settings.js';
import type { RowUnit, TrainingSample } from '../../../src/models/policy/training-rows.js';
import type { RoundOfUpdates } from '../../../src/models/policy/update-units.js';
import { updateUnits } from '../../../src/models/policy/update-units.js';
import type { ValueBaseline } from '../../../src/models/policy/value-baseline.js';
import { scheduleWith } from '../diffusion/schedules.js';

const schedule = scheduleWith();
const trainedSteps = [0, 1];
const SURROGATES = {
  steps: createSurrogate({ type: 'ddpo-is', clipRange: 0.1, advClipMax: 5 }),
  pairs: createSurrogate({ type: 'd3po', preferenceBeta: 0.1, clipRange: 0.1 }),
  denoising: createSurrogate({ type: 'sft', form: 'kl-d', gamma: 1, timestepsPerSample: 3 }),
};

/** Sample `name` of a group: its advantage is its name, its log-probs are name + 0.25 and name + 0.5. */
const sample = (name: number, groupId = 'group'): TrainingSample => ({
  groupId,
  prompt: 'a',
  advantage: name,
  stepAdvantages: null,
  trajectory: {
    firstStep: 0,
    latents: Float32Array.of(name, name, name),
    logProbs: Float32Array.of(name + 0.25, name + 0.5),
  },
});
const numbered = (count: number) => Array.from({ length: count }, (_, name) => sample(name));
const transition = (name: number): Transition => ({
  prompt: 'a',
  step: name % 2,
  latents: Float32Array.of(name),
  nextLatents: Float32Array.of(name),
  logProb: name,
  reward: name,
  policyVersion: 0,
});

const stageOf = (changes: Partial<RoundOfUpdates>): RoundOfUpdates => ({
  pipeline: { schedule, latentShape: [1, 1, 1] } as unknown as Pipeline,
  surrogate: SURROGATES.steps,
  plan: { coefficients: samplerCoefficients(schedule, 2, 1), trainedSteps, weights: [1, 1] },
  seed: 5,
  round: 0,
  samples: numbered(5),
  replay: [],
  baseline: null,
  ...changes,
});

async function updatesOf(changes: Partial<RoundOfUpdates>, settings: UpdateSettings): Promise<RowUnit[][]> {
  const updates = [];
  for await (const units of updateUnits(stageOf(changes), settings)) updates.push(units);
  return updates;
}
const logProbs = (units: readonly RowUnit[]) =>
  units.flat().map(({ scalars }) => scalars.oldLogProb ?? Number.NaN);
const ascending = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);
const fromRound = (
  samplesPerUpdate: number,
  innerEpochs = 1,
  remainder: 'train' | 'carry' | 'drop' = 'train',
): UpdateSettings => ({ from: 'round', innerEpochs, samplesPerUpdate, remainder });

describe('updates from the round', () => {
  it('should train all steps of every sample once an epoch, the rest in a smaller update', async () => {
    const updates = await updatesOf({}, fromRound(2, 3));
    expect(updates.map(({ length }) => length)).toEqual([4, 4, 2, 4, 4, 2, 4, 4, 2]);
    const everything = numbered(5).flatMap(({ trajectory }) => [...trajectory.logProbs]);
    const epochs = [0, 3, 6].map((start) => updates.slice(start, start + 3).flatMap(logProbs));
    for (const epoch of epochs) expect(ascending(epoch)).toEqual(everything);
    expect(new Set(epochs.map((epoch) => epoch.join())).size).toBe(3);
    for (const units of updates)
      expect(units.flat().reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 12);
  });

  it('should make floor(N / samplesPerUpdate) whole updates an epoch where the rest is dropped', async () => {
    for (const [count, updates] of [
      [63, 0],
      [64, 1],
      [150, 2],
    ] as const) {
      const made = await updatesOf({ samples: numbered(count) }, fromRound(64, 2, 'drop'));
      expect(made.map(({ length }) => length)).toEqual(Array(2 * updates).fill(64 * trainedSteps.length));
    }
    // Each epoch leaves out others.
    const epochs = await updatesOf({}, fromRound(4, 4, 'drop'));
    expect(new Set(epochs.flatMap(logProbs)).size).toBe(10);
    const pairs = {
      surrogate: SURROGATES.pairs,
      samples: numbered(6).map((one, index) => ({ ...one, groupId: `${index >> 1}` })),
    };
    expect((await updatesOf(pairs, fromRound(4, 1, 'drop'))).length).toBe(1);
    expect((await updatesOf(pairs, fromRound(4))).length).toBe(2);
  });

  it('should weigh all rows of an update that crosses the border of an epoch alike', async () => {
    // Twice five samples of two steps: two updates of four samples each, the second with the last of the first epoch.
    const updates = await updatesOf({}, fromRound(4, 2, 'carry'));
    expect(updates.map(({ length }) => length)).toEqual([8, 8]);
    const [first = [], second = []] = updates;
    for (const { weight } of updates.flat(2)) expect(weight).toBe(1 / 8);
    const left = ascending(numbered(5).flatMap(({ trajectory }) => [...trajectory.logProbs])).filter(
      (one) => !logProbs(first).includes(one),
    );
    expect(left).toHaveLength(2);
    expect(logProbs(second)).toEqual(expect.arrayContaining(left));
    const pairs = {
      surrogate: SURROGATES.pairs,
      samples: numbered(6).map((one, index) => ({ ...one, groupId: `${index >> 1}` })),
    };
    expect((await updatesOf(pairs, fromRound(4, 2, 'carry'))).length).toBe(3);
    const noised = await updatesOf({ surrogate: SURROGATES.denoising }, fromRound(4, 4, 'carry'));
    const drawn = noised.map((units) =>
      units
        .flat()
        .map(({ timestep }) => timestep)
        .join(),
    );
    expect([noised.length, new Set(drawn).size]).toEqual([5, 5]);
  });

  it('should shuffle by seed and round', async () => {
    const order = async (changes: Partial<RoundOfUpdates>) =>
      (await updatesOf({ samples: numbered(20), ...changes }, fromRound(1))).flatMap(logProbs);
    const first = await order({});
    expect(await order({})).toEqual(first);
    expect(await order({ seed: 6 })).not.toEqual(first);
    expect(await order({ round: 1 })).not.toEqual(first);
  });

  it('should count both samples of a pair', async () => {
    const samples = ['a', 'b', 'c'].flatMap((group, index) => [
      sample(10 * index, group),
      sample(10 * index + 2, group),
      sample(10 * index + 1, group),
    ]);
    const updates = await updatesOf({ surrogate: SURROGATES.pairs, samples }, fromRound(5, 2));
    // Three pairs of two steps each: two pairs an update, then one.
    expect(updates.map(({ length }) => length)).toEqual([4, 2, 4, 2]);
    const pairs = updates.slice(0, 2).flat();
    expect(pairs.map(([win, lose]) => (win?.advantage ?? 0) - (lose?.advantage ?? 0))).toEqual(
      new Array(6).fill(2),
    );
    expect(new Set(pairs.map(([win]) => win?.advantage))).toEqual(new Set([2, 12, 22]));
    expect(await updatesOf({ surrogate: SURROGATES.pairs, samples }, fromRound(1))).toHaveLength(3);
  });

  it('should noise pictures anew in every epoch and every update', async () => {
    const updates = await updatesOf(
      { surrogate: SURROGATES.denoising, samples: numbered(4) },
      fromRound(2, 2),
    );
    expect(updates.map(({ length }) => length)).toEqual([6, 6, 6, 6]);
    const drawn = updates.map((units) => units.flat().map(({ timestep }) => timestep));
    expect(new Set(drawn.map((timesteps) => timesteps.join())).size).toBe(4);
    const pictures = updates.slice(0, 2).flatMap((units) => units.flat().map(({ advantage }) => advantage));
    expect(ascending(pictures)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
  });

  it('should make nothing of no samples', async () => {
    for (const surrogate of Object.values(SURROGATES))
      expect(await updatesOf({ surrogate, samples: [] }, fromRound(2))).toEqual([]);
  });
});

describe('updates from a replay buffer', () => {
  const settings: UpdateSettings = {
    from: 'replay',
    capacity: 100,
    updatesPerRound: 3,
    transitionsPerUpdate: 6,
    drawsPerUpdate: 1,
  };
  const replay = Array.from({ length: 20 }, (_, name) => transition(name));

  it('should draw transitions for each update by itself, none twice in one', async () => {
    const updates = await updatesOf({ replay }, settings);
    expect(updates.map(({ length }) => length)).toEqual([6, 6, 6]);
    for (const units of updates) expect(new Set(logProbs(units)).size).toBe(6);
    const drawn = async (round: number) =>
      (await updatesOf({ replay, round }, settings)).map((units) => logProbs(units).join());
    expect(new Set(await drawn(0)).size).toBe(3);
    expect(await drawn(0)).toEqual(updates.map((units) => logProbs(units).join()));
    expect(await drawn(1)).not.toEqual(await drawn(0));
  });

  it('should draw the parts of an update each for itself, none twice in a part', async () => {
    const drawn = async (drawsPerUpdate: number) =>
      updatesOf({ replay }, { ...settings, updatesPerRound: 40, transitionsPerUpdate: 8, drawsPerUpdate });
    const [whole, parts, singles] = [await drawn(1), await drawn(2), await drawn(8)];
    const repeats = (updates: readonly RowUnit[][]) =>
      updates.map((units) => 8 - new Set(logProbs(units)).size);
    expect(Math.max(...repeats(whole))).toBe(0);
    // Two draws of 4 of 20 share 0.8 transitions on average, never more than 4; eight single ones repeat 1.3.
    for (const updates of [parts, singles]) {
      expect(updates.map(({ length }) => length)).toEqual(new Array(40).fill(8));
      for (const { weight } of updates.flat(2)) expect(weight).toBe(1 / 8);
    }
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.max(...repeats(parts))).toBeLessThanOrEqual(4);
    // Standard errors over 40 updates: 0.11 and 0.14.
    expect(Math.abs(mean(repeats(parts)) - 0.8)).toBeLessThan(0.4);
    expect(Math.abs(mean(repeats(singles)) - (8 - 20 * (1 - 0.95 ** 8)))).toBeLessThan(0.5);
    expect((await drawn(2)).map(logProbs)).toEqual(parts.map(logProbs));
  });

  it('should fill every update from the steps of the interval, whatever else the buffer holds', async () => {
    const coefficients = samplerCoefficients(schedule, 2, 1);
    const plan = { coefficients, trainedSteps: [1], weights: [0, 1] };
    const updates = await updatesOf({ replay, plan }, { ...settings, updatesPerRound: 10 });
    expect(updates.map(({ length }) => length)).toEqual(new Array(10).fill(6));
    // The odd transitions are those of step 1; ten draws of six of the ten miss one of them with probability 0.001.
    const drawn = new Set(updates.flatMap(logProbs));
    expect(ascending([...drawn])).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    expect(await updatesOf({ replay: [transition(0), transition(2)], plan }, settings)).toEqual([[], [], []]);
  });

  it('should take what is there while the buffer holds less, and nothing from an empty one', async () => {
    const [first] = await updatesOf({ replay: replay.slice(0, 2) }, settings);
    expect(ascending(logProbs(first ?? []))).toEqual([0, 1]);
    expect(await updatesOf({}, settings)).toEqual([[], [], []]);
  });
});

describe('baselines', () => {
  /** Knows of every transition what it earned, less its log-prob; so advantages become log-probs. */
  function knowing() {
    const asked: number[] = [];
    const baseline = {
      async predict(transitions: readonly Transition[]) {
        asked.push(transitions.length);
        return Float32Array.from(transitions, ({ reward, logProb }) => reward - logProb);
      },
    } as unknown as ValueBaseline;
    return { baseline, asked };
  }
  const advantages = (units: readonly RowUnit[]) => units.flat().map(({ advantage }) => advantage);

  it('should be taken off transition by transition, from the round and from the buffer', async () => {
    const { baseline, asked } = knowing();
    const round = await updatesOf({ baseline }, fromRound(3));
    for (const units of round) expect(advantages(units)).toEqual(logProbs(units));
    const replay = [3, 4, 5].map(transition);
    const settings: UpdateSettings = {
      from: 'replay',
      capacity: 9,
      updatesPerRound: 1,
      transitionsPerUpdate: 2,
      drawsPerUpdate: 1,
    };
    for (const units of await updatesOf({ baseline, replay }, settings))
      expect(advantages(units)).toEqual(logProbs(units));
    expect(asked).toEqual([6, 4, 2]);
  });
});
