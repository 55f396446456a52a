/** @file How large the trajectories of a group are on their way, by how their latents are stored. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SamplerSettings } from '../../../../src/models/rollouts/sampler.js';
import { trajectoriesCodec } from '../../../../src/streams/transport/wire/rollout-codecs.js';
import {
  type OpenTiny,
  openTiny,
  openTinySampler,
  stepsFrom,
  TINY_SAMPLER,
} from '../../../fixtures/open-tiny.js';

let tiny: OpenTiny;
beforeAll(async () => {
  tiny = await openTiny();
});
afterAll(() => tiny.close());

/** Bytes of the message of one group. */
async function sizeOf(settings: Partial<SamplerSettings>, firstStep: number): Promise<number> {
  const { sampler } = await openTinySampler(tiny, settings);
  const trainedSteps = stepsFrom(firstStep);
  const [group] = await sampler.rollout([{ groupIndex: 0, prompt: 'a red circle' }], trainedSteps);
  if (!group) throw new Error('no group');
  return trajectoriesCodec.encode({
    groupId: '0-0',
    groupIndex: 0,
    round: 0,
    prompt: 'a red circle',
    interval: { round: 0, firstStep, numSteps: TINY_SAMPLER.numInferenceSteps, trainedSteps },
    tree: group.tree,
    policyVersion: 0,
    branches: group.branches.map(({ trajectory }) => trajectory),
  }).length;
}

describe('the message of a group', () => {
  it.each<[about: string, settings: Partial<SamplerSettings>, firstStep: number]>([
    ['of DDPO, one rollout from the first step on', { numBranches: 1 }, 0],
    ['of rollouts that share nothing', { forkPlan: 'independent' }, 0],
    ['of B²-DiffuRL, branches of the last steps', {}, 2],
    ['of B²-DiffuRL, branches of all steps', {}, 0],
  ])('should be half as large with float16 latents: %s', async (_, settings, firstStep) => {
    const [single, half] = [
      await sizeOf({ ...settings, latentsDtype: 'float32' }, firstStep),
      await sizeOf({ ...settings, latentsDtype: 'float16' }, firstStep),
    ];
    // Latents are all but 1 % of a message.
    expect(half / single).toBeGreaterThan(0.5);
    expect(half / single).toBeLessThan(0.51);
  });
});
