import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import type { Transition } from '../../../src/models/policy/replay-buffer.js';
import type { EmbedPrompt, ValueBaselineSettings } from '../../../src/models/policy/value-baseline.js';
import { openValueBaseline } from '../../../src/models/policy/value-baseline.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { largestDifference, randomTensor } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';

const SHAPES = { latentSize: 6, embedWidth: 2, numSteps: 3 };
const SETTINGS: ValueBaselineSettings = {
  learningRate: 0.01,
  hidden: 16,
  batchSize: 16,
  stepsPerRound: 5,
  batchesPerStep: 1,
  seed: 7,
};
/** Two tokens each. */
const EMBEDDINGS: Readonly<Record<string, readonly number[]>> = { red: [1, 0, 3, 0], blue: [0, -1, 0, -3] };
const embed: EmbedPrompt = async (prompt) => Float32Array.from(EMBEDDINGS[prompt] ?? []);

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const open = (settings: Partial<ValueBaselineSettings> = {}, embedding = embed, shapes = SHAPES) =>
  openValueBaseline(engine, shapes, { ...SETTINGS, ...settings }, embedding);

/** Rewards are 1 or -1 by prompt, and three times the mean of the latents. */
function transitions(count: number, seed: number): Transition[] {
  const latents = randomTensor(seed, [count, 6]).data;
  return Array.from({ length: count }, (_, i) => {
    const before = latents.subarray(6 * i, 6 * i + 6);
    const prompt = i % 2 === 0 ? 'red' : 'blue';
    return {
      prompt,
      step: i % 3,
      latents: before,
      nextLatents: before,
      logProb: 0,
      reward: (prompt === 'red' ? 1 : -1) + before.reduce((sum, value) => sum + value, 0) / 2,
      policyVersion: 0,
    };
  });
}

const meanSquare = (buffer: readonly Transition[], values: Float32Array) =>
  buffer.reduce((sum, { reward }, i) => sum + (reward - (values[i] ?? Number.NaN)) ** 2, 0) / buffer.length;
const stepsOf = (bytes: Uint8Array) => Number(decodeSafetensors(bytes, 'value').metadata.step);

describe('fit', () => {
  it('should learn rewards that depend on the prompt and the latents, seen or not', async () => {
    const baseline = await open();
    const [buffer, unseen] = [transitions(200, 1), transitions(60, 2)];
    const before = meanSquare(unseen, await baseline.predict(unseen));
    const losses: number[] = [];
    for (let round = 0; round < 100; round++) losses.push((await baseline.fit(buffer, round)).loss);
    expect(losses[0]).toBeGreaterThan(0.5);
    expect((losses[0] ?? 0) / (losses.at(-1) ?? 0)).toBeGreaterThan(10);
    expect(before / meanSquare(unseen, await baseline.predict(unseen))).toBeGreaterThan(10);
  });

  it('should learn faster in five steps a round than in one on as many batches', async () => {
    const buffer = transitions(200, 1);
    const left = async (settings: Partial<ValueBaselineSettings>) => {
      const baseline = await open(settings);
      for (let round = 0; round < 10; round++) await baseline.fit(buffer, round);
      return meanSquare(buffer, await baseline.predict(buffer));
    };
    const [five, one] = [await left({}), await left({ stepsPerRound: 1, batchesPerStep: 5 })];
    expect(one / five).toBeGreaterThan(10);
  });

  it('should report the mean square of its batches before their steps', async () => {
    const baseline = await open({ stepsPerRound: 1 });
    const buffer = transitions(16, 3);
    const expected = meanSquare(buffer, await baseline.predict(buffer));
    expect((await baseline.fit(buffer, 0)).loss).toBeCloseTo(expected, 5);
  });

  it('should take stepsPerRound steps, each on another batch', async () => {
    // Too slow to learn: the loss changes with the batch alone.
    const learningRate = 1e-9;
    const [many, one] = [await open({ learningRate }), await open({ learningRate, stepsPerRound: 1 })];
    const buffer = transitions(40, 3);
    const [{ loss }, first] = [await many.fit(buffer, 2), await one.fit(buffer, 2)];
    expect([stepsOf(many.save()), stepsOf(one.save())]).toEqual([5, 1]);
    expect(Math.abs(loss - first.loss)).toBeGreaterThan(1e-3);
  });

  it('should average the gradients of the batches of a step, each drawn for itself', async () => {
    const first = (bytes: Uint8Array) => {
      const { tensors } = decodeSafetensors(bytes, 'value');
      const moments = [...tensors].filter(([name]) => name.includes('firstMoments'));
      return Float32Array.from(moments.flatMap(([, { data }]) => [...(data as Float32Array)]));
    };
    const fitted = async (settings: Partial<ValueBaselineSettings>) => {
      const baseline = await open(settings);
      const { loss } = await baseline.fit(transitions(40, 3), 2);
      return { loss, moments: first(baseline.save()), steps: stepsOf(baseline.save()) };
    };
    const averaged = await fitted({ stepsPerRound: 1, batchesPerStep: 5 });
    expect(averaged.steps).toBe(1);
    // Five steps that are too small to move anything draw the same batches; (1 - beta1) g is the first moment of the first.
    const still = await fitted({ stepsPerRound: 5, learningRate: 1e-12 });
    expect(averaged.loss).toBeCloseTo(still.loss, 6);
    // After five steps at one place a moment is Σ_k 0.1 · 0.9^(4-k) g_k; with the means of every prefix of the batches the
    // single gradients follow, and with them their mean.
    const prefixes = await Promise.all(
      [1, 2, 3, 4, 5].map((batchesPerStep) => fitted({ stepsPerRound: 1, batchesPerStep })),
    );
    const expected = averaged.moments.map((_, index) =>
      [0, 1, 2, 3, 4].reduce((sum, k) => {
        const total = (count: number) =>
          count === 0 ? 0 : count * (prefixes[count - 1]?.moments[index] ?? 0);
        return sum + 0.9 ** (4 - k) * (total(k + 1) - total(k));
      }, 0),
    );
    expect(largestDifference(expected, still.moments)).toBeLessThan(1e-5);
  });

  it('should decay the weights as AdamW does by default', async () => {
    const baseline = await open({ stepsPerRound: 1 });
    const weight = () => decodeSafetensors(baseline.save(), 'value').tensors.get('weights/layers.0.scale');
    const before = weight()?.data as Float32Array;
    // Step 0 alone: nothing but decay moves the scales of steps 1 and 2, 0.01 · 0.01 of themselves.
    await baseline.fit(
      transitions(8, 3).map((transition) => ({ ...transition, step: 0 })),
      0,
    );
    const after = weight()?.data as Float32Array;
    expect(after.subarray(16)).toEqual(before.subarray(16).map((value) => value * (1 - 1e-4)));
    expect(after.subarray(0, 16)).not.toEqual(before.subarray(0, 16).map((value) => value * (1 - 1e-4)));
  });

  it('should learn from a small buffer as a batch of its size would', async () => {
    const buffer = transitions(5, 3);
    const found = [];
    for (const batchSize of [5, 16]) {
      const baseline = await open({ batchSize });
      await baseline.fit(buffer, 0);
      found.push(await baseline.predict(buffer));
    }
    const [exact, filled] = found as [Float32Array, Float32Array];
    expect(largestDifference(filled, exact)).toBeLessThan(1e-5);
  });

  it('should give the same bytes for the same seed, and others for another seed or round', async () => {
    const bytes = [];
    for (const [seed, round] of [
      [7, 0],
      [7, 0],
      [8, 0],
      [7, 1],
    ] as const) {
      const baseline = await open({ seed });
      await baseline.fit(transitions(40, 3), round);
      bytes.push(baseline.save());
    }
    expect(bytes[1]).toEqual(bytes[0]);
    expect(bytes[2]).not.toEqual(bytes[0]);
    expect(bytes[3]).not.toEqual(bytes[0]);
  });

  it('should leave what it knows alone where it fails, even halfway', async () => {
    let callsLeft = Number.POSITIVE_INFINITY;
    const baseline = await open({}, async (prompt) => {
      if (callsLeft-- <= 0) throw new Error('the text encoder is gone');
      return embed(prompt);
    });
    await baseline.fit(transitions(40, 3), 0);
    const bytes = baseline.save();
    const wild = transitions(20, 3).map((transition) => ({ ...transition, reward: 1e30 }));
    expect(await faultOf(() => baseline.fit(wild, 1))).toEqual([
      'TRIB_ENGINE',
      expect.stringMatching(/^value network, round 1, step 0: expected a finite loss, got Infinity\./),
    ]);
    expect(await faultOf(() => baseline.fit([], 1))).toEqual([
      'TRIB_INTERNAL',
      'value baseline buffer: expected at least one transition, got none. Push the rollouts first.',
    ]);
    callsLeft = 3; // Two prompts a step: the second step fails.
    await expect(baseline.fit(transitions(40, 3), 1)).rejects.toThrow('the text encoder is gone');
    expect(callsLeft).toBe(-1);
    expect(baseline.save()).toEqual(bytes);
  });
});

describe('predict', () => {
  it('should answer for every transition in order, whatever the batch', async () => {
    const asked = transitions(19, 4);
    const [small, large] = [await open({ batchSize: 4 }), await open({ batchSize: 32 })];
    const values = await small.predict(asked);
    expect(values).toHaveLength(19);
    expect(new Set(values).size).toBe(19);
    expect(largestDifference(values, await large.predict(asked))).toBeLessThan(1e-6);
    const [last] = await small.predict(asked.slice(-1));
    expect(last).toBeCloseTo(values[18] ?? Number.NaN, 6);
    expect(await small.predict([])).toHaveLength(0);
  });

  it('should see a prompt as the mean of its tokens', async () => {
    const means: Readonly<Record<string, readonly number[]>> = { red: [2, 0], blue: [0, -2] };
    const pooled = await open({}, async (prompt) => Float32Array.from(means[prompt] ?? []));
    const asked = transitions(8, 4);
    expect(await pooled.predict(asked)).toEqual(await (await open()).predict(asked));
  });

  it('should tell steps, prompts and latents apart, and nothing else', async () => {
    const baseline = await open();
    const [first] = transitions(1, 4) as [Transition];
    const values = await baseline.predict([
      first,
      { ...first, step: 1 },
      { ...first, prompt: 'blue' },
      { ...first, latents: first.latents.map((value) => value + 1) },
      { ...first, reward: 9, logProb: 9, policyVersion: 9, nextLatents: new Float32Array(6) },
    ]);
    expect(new Set(values.subarray(0, 4)).size).toBe(4);
    expect(values[4]).toBe(values[0]);
  });

  it.each([
    ['another number of latents', { latents: new Float32Array(5) }, 'got 5 latents and step 0'],
    ['a step that the sampler has not', { step: 3 }, 'got 6 latents and step 3'],
    [
      'a prompt of another width',
      { prompt: 'none' },
      'prompt embedding: expected rows of 2 numbers, got 0 numbers',
    ],
  ])('should refuse %s', async (_, fault, text) => {
    const baseline = await open();
    const [first] = transitions(1, 4) as [Transition];
    const [code, message] = await faultOf(() => baseline.predict([{ ...first, ...fault }]));
    expect(code).toBe('TRIB_INTERNAL');
    expect(message).toContain(text);
  });
});

describe('save and restore', () => {
  it('should go on bit for bit', async () => {
    const [one, other] = [await open(), await open({ seed: 99 })];
    const [buffer, asked] = [transitions(40, 3), transitions(9, 4)];
    await one.fit(buffer, 0);
    const bytes = one.save();
    await other.predict(asked); // Weights from before must not linger in the engine.
    other.restore(bytes, 'value.safetensors');
    expect(await other.predict(asked)).toEqual(await one.predict(asked));
    expect(other.save()).toEqual(bytes);

    const resumed = await open();
    resumed.restore(bytes, 'value.safetensors');
    expect(await resumed.fit(buffer, 1)).toEqual(await one.fit(buffer, 1));
    expect(resumed.save()).toEqual(one.save());
  });

  it('should refuse the file of another network, or half a file', async () => {
    const baseline = await open();
    const bytes = baseline.save();
    const other = await open({}, embed, { ...SHAPES, numSteps: 4 });
    expect(await faultOf(() => other.restore(bytes, 'value.safetensors'))).toEqual([
      'TRIB_CHECKPOINT',
      'value.safetensors weights/layers.0.scale: expected F32 [4, 16], got F32 [3, 16]. Resume with the config that wrote the checkpoint, or start a new run directory.',
    ]);
    expect((await faultOf(() => baseline.restore(bytes.subarray(0, -4), 'value.safetensors')))[0]).toBe(
      'TRIB_FILE',
    );
    expect(baseline.save()).toEqual(bytes);
  });
});
