import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import type { PolicyState } from '../../../src/models/policy/trainer.js';
import type { TrainingSample } from '../../../src/models/policy/training-rows.js';
import { float32Data } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { flat } from '../../fixtures/flat.js';
import type { OpenTiny } from '../../fixtures/open-tiny.js';
import { openTiny, openTinyTrainer, TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { recorded, trainedRows } from '../../fixtures/recorded-engine.js';
import { largestDifference } from '../../fixtures/run-model.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';
import { casesOf } from '../../fixtures/test-all.js';

let tiny: OpenTiny;
let samples: readonly TrainingSample[];
let state: PolicyState;

beforeAll(async () => {
  tiny = await openTiny();
  ({ samples, state } = await sampleTiny(tiny));
});
afterAll(() => tiny.close());

/** Norm of the difference over the norm of what was expected. */
const relativeDistance = (found: Float32Array, expected: Float32Array) =>
  Math.hypot(...found.map((value, index) => value - (expected[index] ?? Number.NaN))) /
  Math.hypot(...expected);

const ascending = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b);

describe('train', () => {
  it('should take the same gradient whatever the minibatch, dividing or not, but for rounding', async () => {
    const moments = await Promise.all(
      casesOf([1, 8, 24], [3, 7, 21, 48]).map(async (minibatchSize) => {
        const trainer = await openTinyTrainer(tiny, { minibatchSize });
        const trained = await trainer.train(stageOf(samples.slice(0, 7)), state);
        expect(trained.statistics.optimizerSteps).toBe(1);
        return flat(trained.state.optimizer.firstMoments);
      }),
    );
    const [reference, ...others] = moments as [Float32Array, ...Float32Array[]];
    expect(Math.max(...reference.map(Math.abs))).toBeGreaterThan(1e-6);
    for (const other of others) expect(relativeDistance(other, reference)).toBeLessThan(1e-6);
  });

  it('should come to the same adapter whatever the minibatch, but for rounding', async () => {
    const start = flat(state.parameters);
    const changes = async (minibatchSize: number) => {
      const updates = { from: 'round', innerEpochs: 3, samplesPerUpdate: 4, remainder: 'train' } as const;
      const trainer = await openTinyTrainer(tiny, { minibatchSize, updates });
      const { state: after, statistics } = await trainer.train(stageOf(samples), state);
      expect(statistics.optimizerSteps).toBe(9);
      return flat(after.parameters).map((value, index) => value - (start[index] ?? 0));
    };
    const divides = await changes(12);
    for (const size of casesOf([8], [5, 7]))
      expect(relativeDistance(await changes(size), divides)).toBeLessThan(1e-5);
  });

  it('should cover every step of every sample once an epoch, with weights that sum to one', async () => {
    const { opened, runs } = recorded(tiny);
    const updates = { from: 'round', innerEpochs: 2, samplesPerUpdate: 5, remainder: 'train' } as const;
    const trainer = await openTinyTrainer(opened, { updates });
    const { statistics } = await trainer.train(stageOf(samples, { round: 3 }), state);
    expect(statistics.optimizerSteps).toBe(6); // 5 + 5 + 2 samples, twice
    const trained = trainedRows(runs, 'oldLogProb');
    expect(trained.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(6, 5);
    const expected = samples.flatMap(({ trajectory }) => [...trajectory.logProbs]);
    expect(ascending(trained.map(({ oldLogProb }) => oldLogProb ?? 0))).toEqual(
      ascending([...expected, ...expected]),
    );
    // 5 samples of 3 steps are 15 rows in 2 runs of 8: one row of padding; 2 samples are 6 rows in one run: two.
    expect(8 * runs.length - trained.length).toBe(2 * (1 + 1 + 2));
  });

  it('should add up the gradients of an update that crosses the border of an epoch', async () => {
    const trained = async (innerEpochs: number, samplesPerUpdate: number, remainder: 'carry' | 'train') => {
      const trainer = await openTinyTrainer(tiny, {
        updates: { from: 'round', innerEpochs, samplesPerUpdate, remainder },
        maxGradNorm: 1e6,
      });
      return trainer.train(stageOf(samples), state);
    };
    // Twice twelve samples fill one update: the mean over each sample twice is the mean over each once.
    const [twice, once] = [await trained(2, 24, 'carry'), await trained(1, 12, 'train')];
    expect([twice.statistics.optimizerSteps, once.statistics.optimizerSteps]).toEqual([1, 1]);
    const [sum, mean] = [flat(twice.state.optimizer.firstMoments), flat(once.state.optimizer.firstMoments)];
    expect(largestDifference(sum, mean)).toBeLessThan(2e-6);
    // Of 24 samples 16 fill two updates; the rest is left out, and the next round begins with none of it.
    const { statistics, state: after } = await trained(2, 8, 'carry');
    expect(statistics.optimizerSteps).toBe(3);
    const left = await trained(2, 25, 'carry');
    expect(left.statistics.optimizerSteps).toBe(0);
    expect(left.state).toEqual(state);
    expect(Object.keys(after)).toEqual(Object.keys(state));
  });

  it('should train sparse steps alone', async () => {
    const { opened, runs } = recorded(tiny);
    const trainer = await openTinyTrainer(opened);
    await trainer.train(stageOf(samples, { trainedSteps: [2, 4] }), state);
    const expected = samples.flatMap(({ trajectory: { logProbs } }) => [logProbs[0] ?? 0, logProbs[2] ?? 0]);
    const rows = trainedRows(runs, 'oldLogProb');
    expect(ascending(rows.map(({ oldLogProb }) => oldLogProb ?? 0))).toEqual(ascending(expected));
    expect(rows.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 6);
  });

  it('should credit every step with its own advantage where there is one', async () => {
    const { opened, runs } = recorded(tiny);
    const trainer = await openTinyTrainer(opened);
    const credited = samples.map((one, index) => ({ ...one, stepAdvantages: [0.5, index / 8, -2] }));
    const { statistics } = await trainer.train(stageOf(credited), state);
    const expected = new Map(
      credited.flatMap(({ trajectory, stepAdvantages }) =>
        stepAdvantages.map((advantage, index) => [trajectory.logProbs[index] ?? 0, advantage] as const),
      ),
    );
    const rows = trainedRows(runs, 'oldLogProb', 'advantage');
    expect(rows).toHaveLength(36);
    for (const { oldLogProb = 0, advantage } of rows) expect(advantage).toBe(expected.get(oldLogProb));
    // At ratio 1 the loss is minus the mean advantage; the mean of 0/8 .. 11/8 is 11/16.
    expect(statistics.policyLoss).toBeCloseTo(-(0.5 + 11 / 16 - 2) / 3, 5);
  });

  it('should weigh steps as it is told', async () => {
    const { opened, runs } = recorded(tiny);
    const trainer = await openTinyTrainer(opened, { stepWeighting: 'noise-aware' });
    await trainer.train(stageOf(samples), state);
    const rows = trainedRows(runs, 'stdDevT');
    // Of weights that have mean 1 over all five steps, the third to the fifth; twelve samples of three steps are 36 rows.
    const { schedule } = tiny.pipeline;
    const noises = samplerCoefficients(schedule, 5, 1).map(({ stdDevT }) => stdDevT);
    const mean = noises.reduce((sum, noise) => sum + noise, 0) / 5;
    expect(rows).toHaveLength(36);
    for (const { weight, stdDevT = 1 } of rows) expect((36 * weight * mean) / stdDevT).toBeCloseTo(1, 5);
    const { opened: again, runs: dropped } = recorded(tiny);
    await (await openTinyTrainer(again, { stepWeighting: 'drop-last' })).train(stageOf(samples), state);
    expect(trainedRows(dropped, 'oldLogProb')).toHaveLength(24);
  });

  it('should weigh a step alike whether other steps draw noise and are trained or not', async () => {
    const weightsOf = async (stochasticSteps: 'all' | 'trained', trainedSteps: readonly number[]) => {
      const { opened, runs } = recorded(tiny);
      const sampling = { ...TINY_SAMPLER, stochasticSteps };
      const trainer = await openTinyTrainer(opened, { sampling, stepWeighting: 'noise-aware' });
      await trainer.train(stageOf(samples, { trainedSteps: [...trainedSteps] }), state);
      // The loss is a mean over twelve samples of so many steps.
      return trainedRows(runs).map(({ weight }) => weight * 12 * trainedSteps.length);
    };
    const whole = await weightsOf('all', [2, 3, 4]);
    const one = await weightsOf('trained', [2]);
    expect(one).toHaveLength(12);
    const heaviest = Math.max(...whole);
    for (const weight of one) expect(weight).toBeCloseTo(heaviest, 5);
  });

  it('should shuffle by seed, round and epoch alone', async () => {
    const order = async (seed: number, round: number) => {
      const { opened, runs } = recorded(tiny);
      const trainer = await openTinyTrainer(opened, { seed, minibatchSize: 12 });
      await trainer.train(stageOf(samples, { round }), state);
      return runs.map((feeds) => [...float32Data(feeds.oldLogProb, 'oldLogProb')]);
    };
    const first = await order(1, 0);
    expect(await order(1, 0)).toEqual(first);
    expect(await order(1, 1)).not.toEqual(first);
    expect(await order(2, 0)).not.toEqual(first);
  });

  it('should give the same bytes twice', async () => {
    const updates = { from: 'round', innerEpochs: 2, samplesPerUpdate: 5, remainder: 'train' } as const;
    const trainer = await openTinyTrainer(tiny, { updates });
    const [first, second] = [
      await trainer.train(stageOf(samples), state),
      await trainer.train(stageOf(samples), state),
    ];
    expect(second).toEqual(first);
    expect(first.state.optimizer.step).toBe(6);
  });

  it('should leave the state it is given as it is', async () => {
    const before = structuredClone(state);
    const trainer = await openTinyTrainer(tiny);
    const { state: after } = await trainer.train(stageOf(samples), state);
    expect(state).toEqual(before);
    expect(flat(after.parameters)).not.toEqual(flat(before.parameters));
  });

  it('should make good samples likelier: the loss falls', async () => {
    const trainer = await openTinyTrainer(tiny, {
      surrogate: { type: 'ddpo-is', clipRange: 0.9, advClipMax: 5 },
    });
    const first = await trainer.train(stageOf(samples), state);
    expect(first.statistics.policyLoss).toBeCloseTo(-(1.5 - 1 + 0.25) / 3, 4);
    let { state: current } = first;
    const losses = [first.statistics.policyLoss];
    for (let round = 1; round < 4; round++) {
      const trained = await trainer.train(stageOf(samples, { round }), current);
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
    const [one, other] = [
      await free.train(stageOf(samples), state),
      await held.train(stageOf(samples), state),
    ];
    expect(other.statistics.gradNorm).toBe(one.statistics.gradNorm);
    const norm = ({ state: { optimizer } }: typeof one) => Math.hypot(...flat(optimizer.firstMoments)) / 0.1;
    expect(one.statistics.gradNorm).toBeGreaterThan(1e-4);
    expect(norm(one) / one.statistics.gradNorm).toBeCloseTo(1, 5);
    expect(norm(other)).toBeCloseTo(1e-5, 6);
  });

  it('should step by the share of the learning rate that an alarm has left', async () => {
    const trainer = await openTinyTrainer(tiny);
    const moved = async (learningRateScale: number) => {
      const { state: after } = await trainer.train(stageOf(samples, { learningRateScale }), state);
      const before = flat(state.parameters);
      return flat(after.parameters).map((value, index) => value - (before[index] ?? 0));
    };
    const [whole, quarter] = [await moved(1), await moved(0.25)];
    // One step of Adam is proportional to the rate; parameters of size 0.3 round at 3e-8, steps are 1e-3.
    expect(
      largestDifference(
        quarter.map((value) => 4 * value),
        whole,
      ),
    ).toBeLessThan(1e-3);
    expect(Math.max(...whole)).toBeCloseTo(1e-3, 5);
  });

  it('should do nothing without samples', async () => {
    const trainer = await openTinyTrainer(tiny);
    const trained = await trainer.train(stageOf([]), state);
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
    const round = stageOf([{ ...first, advantage: Number.NaN }, ...others], { round: 4 });
    expect(await faultOf(() => trainer.train(round, state))).toEqual([
      'TRIB_ENGINE',
      'round 4: expected a finite gradient, got one with NaN or Infinity. Start anew with a smaller learningRate and another --run-dir; the last checkpoint is kept.',
    ]);
  });

  it('should refuse a step without noise', async () => {
    const trainer = await openTinyTrainer(tiny, { sampling: { ...TINY_SAMPLER, eta: 0 } });
    const [code, message] = await faultOf(() => trainer.train(stageOf(samples), state));
    expect(code).toBe('TRIB_CONFIG');
    expect(message).toMatch(
      /^sampler step 2 \(timestep \d+\): expected a noisy step, because it is trained, got stdDevT 0\./,
    );
  });

  it('should stop when it is canceled', async () => {
    const trainer = await openTinyTrainer(tiny);
    const [code] = await faultOf(() => trainer.train(stageOf(samples), state, AbortSignal.abort()));
    expect(code).toBe('TRIB_CANCELLED');
  });

  it('should run one step at a time where the model takes one timestep, to the same gradient', async () => {
    const scalar = await openTiny({ oneTimestep: true });
    try {
      const { opened, runs } = recorded(scalar);
      const one = await (await openTinyTrainer(opened)).train(stageOf(samples), state);
      const many = await (await openTinyTrainer(tiny)).train(stageOf(samples), state);
      expect(runs).toHaveLength(6); // 12 rows of each of 3 steps, 8 a run
      expect(one.statistics.maxRatioDeviation).toBeLessThan(1e-5);
      expect(
        largestDifference(flat(one.state.optimizer.firstMoments), flat(many.state.optimizer.firstMoments)),
      ).toBeLessThan(1e-5);
    } finally {
      await scalar.close();
    }
  });
});
