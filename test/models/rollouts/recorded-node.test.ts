import { describe, expect, it, onTestFinished } from 'vitest';
import { at } from '../../../src/at.js';
import { forwardProcess } from '../../../src/models/diffusion/forward-process.js';
import { stochasticCoefficients } from '../../../src/models/diffusion/stochastic-steps.js';
import { cleanGuess } from '../../../src/models/rollouts/clean-guess.js';
import { forkStep, recordedNode, shownSteps } from '../../../src/models/rollouts/recorded-node.js';
import { halvingSampler } from '../../fixtures/halving-denoiser.js';
import { openTiny, stepsFrom, TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { largestDifference } from '../../fixtures/run-model.js';

describe('recordedNode', () => {
  it('should find every latent of a tree with what its step made of it', async () => {
    const tiny = await openTiny();
    onTestFinished(() => tiny.close());
    const forks = { forkPlan: 'steps', forkSteps: [1, 2], numBranches: 2 } as const;
    const { sampler } = halvingSampler(tiny.pipeline, forks);
    const trained = stepsFrom(1);
    const [group] = await sampler.rollout([{ groupIndex: 7, prompt: 'a red circle' }], trained);
    const { tree, branches } = group ?? { tree: { firstStep: 0, widths: [] }, branches: [] };
    expect(tree.widths).toEqual([1, 2, 4, 4, 4]);
    const { schedule } = tiny.pipeline;
    const paths = branches.map(({ trajectory }) => trajectory);
    for (const [depth, width] of tree.widths.slice(0, -1).entries()) {
      const step = tree.firstStep + depth;
      const { timestep } = at(stochasticCoefficients(schedule, { ...TINY_SAMPLER, ...forks }, trained), step);
      const { latentsCoefficient, outputCoefficient } = forwardProcess(schedule, timestep).predOriginalSample;
      const seen = new Set<number>();
      for (let node = 0; node < width; node++) {
        const recorded = recordedNode(tree, paths, { groupIndex: 7, step, node });
        expect(recorded.next).toHaveLength(at(tree.widths, depth + 1) / width);
        seen.add(at(recorded.latents, 0));
        // This network halves its input, which only the noise of the right branches gives back.
        const expected = recorded.latents.map(
          (value) => (latentsCoefficient + outputCoefficient / 2) * value,
        );
        const guess = cleanGuess(schedule, { ...TINY_SAMPLER, ...forks }, trained, recorded);
        expect(largestDifference(guess, expected)).toBeLessThan(1e-4);
      }
      expect(seen.size).toBe(width);
    }
  });
});

describe('the steps at which a rollout is shown', () => {
  it.each([
    [{ firstStep: 1, widths: [1, 4, 4, 4, 4, 4] }, 2, [1, 3, 4]],
    [{ firstStep: 1, widths: [1, 4, 4, 4, 4, 4] }, 0, [1]],
    [{ firstStep: 0, widths: [4, 4, 4] }, 9, [0, 1]],
    [{ firstStep: 2, widths: [1, 1, 2] }, 3, [3]],
    [{ firstStep: 3, widths: [1, 2] }, 1, [3]],
  ])('should begin at the fork and be spread over what follows: %j, %i', (tree, later, steps) => {
    expect(shownSteps(tree, later)).toEqual(steps);
    expect(forkStep(tree)).toBe(steps[0]);
  });
});
