import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SamplerSettings } from '../../../src/models/diffusion/sampler.js';
import type { Executable, Tensors } from '../../../src/models/engines/engine.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { initialAdamWState } from '../../../src/models/optimizers/adamw.js';
import type { PolicyState, TrainingSample } from '../../../src/models/policy/trainer.js';
import { float32Data } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import type { OpenTiny } from '../../fixtures/open-tiny.js';
import { openTiny, openTinySampler, openTinyTrainer } from '../../fixtures/open-tiny.js';
import { largestDifference } from '../../fixtures/run-model.js';
import { TINY_PROMPTS } from '../../fixtures/tiny-pipeline.js';

let tiny: OpenTiny;
let samples: TrainingSample[];
let state: PolicyState;

beforeAll(async () => {
  tiny = await openTiny();
  ({ samples, state } = await sample(tiny, {}));
});
afterAll(() => tiny.close());

/** Twelve samples of four groups, with advantages of both signs, and the policy that sampled them. */
async function sample(opened: OpenTiny, settings: Partial<SamplerSettings>, firstStep = 2) {
  const { sampler, parameters } = await openTinySampler(opened, settings);
  const requests = TINY_PROMPTS.map((prompt, groupIndex) => ({ groupIndex, prompt }));
  const groups = await sampler.rollout(requests, firstStep);
  const sampled = groups.flatMap((branches, group) =>
    branches.map(({ trajectory }, branch) => ({
      prompt: TINY_PROMPTS[group] ?? '',
      advantage: [1.5, -1, 0.25][branch] ?? 0,
      trajectory,
    })),
  );
  return { samples: sampled, state: { parameters, optimizer: initialAdamWState(parameters) } };
}

const flat = (arrays: NamedArrays): Float32Array =>
  Float32Array.from(
    Object.keys(arrays)
      .toSorted()
      .flatMap((name) => [...(arrays[name] ?? [])]),
  );

/** The tiny pipeline with an engine that notes what the training graph is fed. */
function recording(opened: OpenTiny): { opened: OpenTiny; runs: Tensors[] } {
  const runs: Tensors[] = [];
  return {
    runs,
    opened: {
      ...opened,
      engine: {
        ...opened.engine,
        async compile(model, options): Promise<Executable> {
          const executable = await opened.engine.compile(model, options);
          return {
            ...executable,
            run(feeds, runOptions) {
              // The trainer gives its buffers away.
              if (options.label === 'training graph') runs.push(structuredClone(feeds));
              return executable.run(feeds, runOptions);
            },
          };
        },
      },
    },
  };
}

describe('ratios before the first update', () => {
  it.each([
    { guidanceScale: 1, numInferenceSteps: 5 },
    { guidanceScale: 2, numInferenceSteps: 5 },
    { guidanceScale: 2, numInferenceSteps: 20 },
    { guidanceScale: 2, numInferenceSteps: 20, latentsDtype: 'float16' as const },
    { guidanceScale: 1, numInferenceSteps: 20, latentsDtype: 'float16' as const },
  ])('should be 1 within 1e-5 at every step: %j', async (settings) => {
    const { numInferenceSteps, guidanceScale } = settings;
    const sampled = await sample(tiny, settings, 0);
    const trainer = await openTinyTrainer(tiny, { guidanceScale }, { numInferenceSteps });
    const { statistics } = await trainer.train(sampled.samples.slice(0, 4), sampled.state, 0);
    expect(statistics.optimizerSteps).toBe(1);
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-5);
  });

  it('should be off where the sampler had another guidance, or other weights', async () => {
    const trainer = await openTinyTrainer(tiny, { guidanceScale: 1 });
    const guided = await trainer.train(samples, state, 0);
    expect(guided.statistics.maxRatioDeviation).toBeGreaterThan(1e-4);
    const same = await openTinyTrainer(tiny);
    const parameters = Object.fromEntries(
      Object.entries(state.parameters).map(([name, values]) => [name, values.map((value) => 0.5 * value)]),
    );
    const moved = await same.train(samples, { ...state, parameters }, 0);
    expect(moved.statistics.maxRatioDeviation).toBeGreaterThan(1e-4);
  });
});

describe('train', () => {
  it('should take the same gradient whatever the minibatch, padding included', async () => {
    const moments = await Promise.all(
      [1, 3, 8, 48].map(async (minibatchSize) => {
        const trainer = await openTinyTrainer(tiny, { minibatchSize });
        const trained = await trainer.train(samples.slice(0, 7), state, 0);
        expect(trained.statistics.optimizerSteps).toBe(1);
        return flat(trained.state.optimizer.firstMoments);
      }),
    );
    const [reference, ...others] = moments as [Float32Array, ...Float32Array[]];
    expect(Math.max(...reference.map(Math.abs))).toBeGreaterThan(1e-6);
    for (const other of others) expect(largestDifference(other, reference)).toBeLessThan(1e-5);
  });

  it('should cover every pair of every update once an epoch, with weights that sum to one', async () => {
    const { opened, runs } = recording(tiny);
    const trainer = await openTinyTrainer(opened, { samplesPerUpdate: 5, innerEpochs: 2, minibatchSize: 4 });
    const { statistics } = await trainer.train(samples, state, 3);
    expect(statistics.optimizerSteps).toBe(6); // 5 + 5 + 2 samples, twice
    const pairs = runs.flatMap((feeds) => {
      const weights = float32Data(feeds.weight, 'weight');
      const old = float32Data(feeds.oldLogProb, 'oldLogProb');
      return [...weights].map((weight, row) => ({ weight, logProb: old[row] ?? 0 }));
    });
    const trained = pairs.filter(({ weight }) => weight > 0);
    expect(trained.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(6, 5);
    const expected = samples.flatMap(({ trajectory }) => [...trajectory.logProbs]);
    expect(trained.map(({ logProb }) => logProb).toSorted()).toEqual([...expected, ...expected].toSorted());
    // 5 samples of 3 steps are 15 pairs in 4 runs of 4: one row of padding; 2 samples are 6 pairs in 2 runs: two rows.
    expect(pairs.length - trained.length).toBe(2 * (1 + 1 + 2));
  });

  it('should shuffle by seed, stage and epoch alone', async () => {
    const order = async (seed: number, trainingStage: number) => {
      const { opened, runs } = recording(tiny);
      const trainer = await openTinyTrainer(opened, { seed, samplesPerUpdate: 12, minibatchSize: 12 });
      await trainer.train(samples, state, trainingStage);
      return runs.map((feeds) => [...float32Data(feeds.oldLogProb, 'oldLogProb')]);
    };
    const first = await order(1, 0);
    expect(await order(1, 0)).toEqual(first);
    expect(await order(1, 1)).not.toEqual(first);
    expect(await order(2, 0)).not.toEqual(first);
  });

  it('should give the same bytes twice', async () => {
    const trainer = await openTinyTrainer(tiny, { samplesPerUpdate: 5, innerEpochs: 2 });
    const [first, second] = [await trainer.train(samples, state, 0), await trainer.train(samples, state, 0)];
    expect(second).toEqual(first);
    expect(first.state.optimizer.step).toBe(6);
  });

  it('should leave the state it is given as it is', async () => {
    const before = structuredClone(state);
    const trainer = await openTinyTrainer(tiny);
    const { state: after } = await trainer.train(samples, state, 0);
    expect(state).toEqual(before);
    expect(flat(after.parameters)).not.toEqual(flat(before.parameters));
  });

  it('should make good samples likelier: the loss falls', async () => {
    const trainer = await openTinyTrainer(tiny, { clipRange: 0.9 });
    const first = await trainer.train(samples, state, 0);
    expect(first.statistics.policyLoss).toBeCloseTo(-(1.5 - 1 + 0.25) / 3, 4);
    let { state: current } = first;
    const losses = [first.statistics.policyLoss];
    for (let stage = 1; stage < 6; stage++) {
      const trained = await trainer.train(samples, current, stage);
      losses.push(trained.statistics.policyLoss);
      current = trained.state;
    }
    expect(losses.toSorted((a, b) => b - a)).toEqual(losses);
  });

  it('should report norms before clipping, and step by what is left', async () => {
    const [free, held] = [
      await openTinyTrainer(tiny, { maxGradNorm: 1e6 }),
      await openTinyTrainer(tiny, { maxGradNorm: 1e-5 }),
    ];
    const [one, other] = [await free.train(samples, state, 0), await held.train(samples, state, 0)];
    expect(other.statistics.gradNorm).toBe(one.statistics.gradNorm);
    const norm = ({ state: { optimizer } }: typeof one) => Math.hypot(...flat(optimizer.firstMoments)) / 0.1;
    expect(one.statistics.gradNorm).toBeGreaterThan(1e-4);
    expect(norm(one) / one.statistics.gradNorm).toBeCloseTo(1, 5);
    expect(norm(other)).toBeCloseTo(1e-5, 6);
  });

  it('should do nothing without samples', async () => {
    const trainer = await openTinyTrainer(tiny);
    const trained = await trainer.train([], state, 0);
    expect(trained.state).toEqual(state);
    expect(trained.statistics).toMatchObject({
      optimizerSteps: 0,
      policyLoss: 0,
      gradNorm: 0,
      clipFraction: 0,
    });
  });

  it('should stop at a gradient that is not finite', async () => {
    const trainer = await openTinyTrainer(tiny);
    const [first, ...others] = samples as [TrainingSample, ...TrainingSample[]];
    expect(
      await faultOf(() => trainer.train([{ ...first, advantage: Number.NaN }, ...others], state, 4)),
    ).toEqual([
      'TRIB_ENGINE',
      'training stage 4, inner epoch 0: expected a finite gradient, got one with NaN or Infinity. Start anew with a smaller learningRate and another --run-dir; the last checkpoint is kept.',
    ]);
  });

  it('should refuse a step without noise', async () => {
    const trainer = await openTinyTrainer(tiny, {}, { eta: 0 });
    const [code, message] = await faultOf(() => trainer.train(samples, state, 0));
    expect(code).toBe('TRIB_CONFIG');
    expect(message).toMatch(
      /^sampler step 2 \(timestep \d+\): expected a noisy step, because it is trained, got stdDevT 0\./,
    );
  });

  it('should stop when it is cancelled', async () => {
    const trainer = await openTinyTrainer(tiny);
    const [code] = await faultOf(() => trainer.train(samples, state, 0, AbortSignal.abort()));
    expect(code).toBe('TRIB_CANCELLED');
  });

  it('should run one step at a time where the model takes one timestep, to the same gradient', async () => {
    const scalar = await openTiny({ oneTimestep: true });
    try {
      const { opened, runs } = recording(scalar);
      const one = await (await openTinyTrainer(opened)).train(samples, state, 0);
      const many = await (await openTinyTrainer(tiny)).train(samples, state, 0);
      expect(runs).toHaveLength(6); // 12 pairs of each of 3 steps, 8 a run
      expect(one.statistics.maxRatioDeviation).toBeLessThan(1e-5);
      expect(
        largestDifference(flat(one.state.optimizer.firstMoments), flat(many.state.optimizer.firstMoments)),
      ).toBeLessThan(1e-5);
    } finally {
      await scalar.close();
    }
  });
});
