/** @file Pictures of several sizes in one round: each is rolled out and trained by graphs of its size, in one mean. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, named } from '../../../src/at.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import { createTrainer } from '../../../src/models/policy/trainer.js';
import type { TrainingSample } from '../../../src/models/policy/training-rows.js';
import { createSampler } from '../../../src/models/rollouts/sampler.js';
import { createSizedSampler, sizeName } from '../../../src/models/rollouts/sized-sampler.js';
import { randomAdapter, TINY_LORA, TINY_SAMPLER, TINY_TRAINER } from '../../fixtures/open-tiny.js';
import { stageOf, untrained } from '../../fixtures/sample-tiny.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';

const engine = sharedEngine();
// As many numbers a latent, so that only their shape tells them apart.
const WIDE = { width: 16, height: 8 };
const HIGH = { width: 8, height: 16 };
const SAMPLER = { ...TINY_SAMPLER, numInferenceSteps: 3, numBranches: 2 };
// One update of all rows; without clipping its norm, the parameters move with the gradient by a plain rule.
const TRAINER = {
  ...TINY_TRAINER,
  sampling: SAMPLER,
  minibatchSize: 3,
  maxGradNorm: 1e6,
  updates: { ...TINY_TRAINER.updates, samplesPerUpdate: 100 } as const,
};
const trainedSteps = [1, 2];

let wide: Pipeline;
let high: Pipeline;

beforeAll(async () => {
  wide = await openPipeline(engine, 'test/fixtures/stable-diffusion/sd1', { size: WIDE });
  high = await wide.resized(HIGH, 'high');
});
afterAll(() => wide.release());

async function samplerOf(pipeline: Pipeline) {
  const denoiser = await openDenoiser(engine, pipeline, { lora: TINY_LORA, rows: [8] });
  const parameters = randomAdapter(denoiser.adapters, 0.1);
  await denoiser.usePolicy(parameters);
  return { sampler: createSampler(pipeline, denoiser, SAMPLER), parameters };
}

const graphOf = async (pipeline: Pipeline) => ({
  pipeline,
  policyGraph: await buildPolicyGraph(engine, pipeline, TRAINER),
});

const request = (groupIndex: number, size = WIDE) => ({ groupIndex, prompt: 'a cat', size });

describe('groups of several sizes', () => {
  it('should roll out as by themselves, and train as one mean over all rows', async () => {
    const [ofWide, ofHigh] = [await samplerOf(wide), await samplerOf(high)];
    const both = { [sizeName(WIDE)]: ofWide.sampler, [sizeName(HIGH)]: ofHigh.sampler };
    const sampler = createSizedSampler(ofWide.sampler, both);
    const groups = await sampler.rollout([request(1, HIGH), request(2), request(3, HIGH)], trainedSteps);
    const [alone] = await ofWide.sampler.rollout([request(2)], trainedSteps);
    expect(groups[1]).toEqual(alone);
    const shapes = groups.map(({ branches }) => at(branches, 0).trajectory.latentShape?.slice(1));
    expect(shapes).toEqual([
      [8, 4],
      [4, 8],
      [8, 4],
    ]);

    const samples = groups.flatMap(({ branches }, group) =>
      branches.map(
        ({ trajectory }, leaf): TrainingSample => ({
          groupId: `${group}`,
          ...{ prompt: 'a cat', advantage: leaf === 0 ? 1 : -0.5, stepAdvantages: null, trajectory },
        }),
      ),
    );
    const sized = [await graphOf(wide), await graphOf(high)];
    const trainer = await createTrainer({ engine, ...at(sized, 0), sized, settings: TRAINER });
    const state = untrained(ofWide.parameters);
    const { statistics, state: trained } = await trainer.train(stageOf(samples, { trainedSteps }), state);
    expect(statistics.optimizerSteps).toBe(1);
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-5);

    // Adam's first moment after one step is (1 - beta1) g: the mean gradient of all rows is that of each size by its share.
    const isWide = ({ trajectory }: TrainingSample) => trajectory.latentShape?.[1] === 4;
    const parts = [samples.filter(isWide), samples.filter((one) => !isWide(one))];
    const moments: NamedArrays[] = [];
    for (const part of parts) {
      const { state: after } = await trainer.train(stageOf(part, { trainedSteps }), state);
      moments.push(after.optimizer.firstMoments);
    }
    const found = Object.entries(trained.optimizer.firstMoments);
    const largest = Math.max(...found.flatMap(([, values]) => [...values.map(Math.abs)]));
    expect(largest).toBeGreaterThan(1e-4);
    for (const [name, values] of found) {
      const shares = parts.map((part, index) => {
        const share = part.length / samples.length;
        return named(at(moments, index), name).map((value) => share * value);
      });
      const off = values.map((value, place) => value - at(at(shares, 0), place) - at(at(shares, 1), place));
      expect(Math.max(...off.map(Math.abs))).toBeLessThan(1e-5 * largest);
    }
    await trainer.release();
  });
});
