import { describe, expect, it, onTestFinished } from 'vitest';
import { at } from '../../../src/at.js';
import { forwardProcess } from '../../../src/models/diffusion/forward-process.js';
import { stochasticCoefficients } from '../../../src/models/diffusion/stochastic-steps.js';
import { cleanGuess } from '../../../src/models/rollouts/clean-guess.js';
import type { SamplerSettings } from '../../../src/models/rollouts/sampler.js';
import { halvingSampler } from '../../fixtures/halving-denoiser.js';
import { openTiny, stepsFrom, TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { largestDifference } from '../../fixtures/run-model.js';

const ROW = 3 * 16 * 16;

describe('cleanGuess', () => {
  it.each([
    { name: 'noise', as: undefined, settings: {}, within: 1e-4 },
    { name: 'noise in half precision', as: undefined, settings: { latentsDtype: 'float16' }, within: 0.05 },
    { name: 'v', as: 'v_prediction', settings: {}, within: 1e-4 },
    { name: 'velocity', as: 'flow', settings: { eta: 0.7 }, within: 1e-4 },
    { name: 'velocity, under cps', as: 'flow', settings: { eta: 0.8, sde: 'cps' }, within: 1e-4 },
  ] as const)('should be what a network that predicts $name expected at the fork', async (example) => {
    const tiny = await openTiny({ as: example.as });
    onTestFinished(() => tiny.close());
    const settings: SamplerSettings = { ...TINY_SAMPLER, ...example.settings };
    const { sampler } = halvingSampler(tiny.pipeline, example.settings);
    const trained = stepsFrom(1);
    // The second group: the key of its noise is its own.
    const [, group] = await sampler.rollout(
      [3, 7].map((groupIndex) => ({ groupIndex, prompt: 'a red circle' })),
      trained,
    );
    const paths = (group?.branches ?? []).map(({ trajectory }) => trajectory.latents);
    const latents = at(paths, 0).subarray(0, ROW);
    const { schedule } = tiny.pipeline;
    const { timestep } = at(stochasticCoefficients(schedule, settings, trained), 1);
    const { latentsCoefficient, outputCoefficient } = forwardProcess(schedule, timestep).predOriginalSample;
    // The output of this network is half its input; guidance between equal outputs changes nothing.
    const expected = latents.map((value) => (latentsCoefficient + outputCoefficient / 2) * value);
    const next = paths.map((path, branch) => ({ branch, latents: path.subarray(ROW, 2 * ROW) }));
    const guess = cleanGuess(schedule, settings, trained, { groupIndex: 7, step: 1, latents, next });
    expect(largestDifference(guess, expected)).toBeLessThan(example.within);
  });
});
