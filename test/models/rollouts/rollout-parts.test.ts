/** @file A batch of groups whose rows the engine takes in several runs. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { halvingSampler } from '../../fixtures/halving-denoiser.js';
import { type OpenTiny, openTiny, stepsFrom, TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { TINY_PROMPTS } from '../../fixtures/tiny-pipeline.js';

const STEPS = TINY_SAMPLER.numInferenceSteps;

let tiny: OpenTiny;
beforeAll(async () => {
  tiny = await openTiny();
});
afterAll(() => tiny.close());

const request = (groupIndex: number) => ({
  groupIndex,
  prompt: TINY_PROMPTS[groupIndex % TINY_PROMPTS.length] ?? '',
});

describe('rollout', () => {
  it.each([
    { guidanceScale: 1, numBranches: 1, parts: 3, rows: [2, 2, 2, 2, 2] },
    // A run holds the rows of one group, and after the fork those of half a group.
    { guidanceScale: 2, numBranches: 2, parts: 5, rows: [2, 2, 2, 4, 4] },
  ])(
    'should roll out a batch in parts of one run, to the same end: %j',
    async ({ parts, rows, ...other }) => {
      const settings = { ...other, groupsPerBatch: 6 };
      const { sampler, calls } = halvingSampler(tiny.pipeline, settings, () => 2);
      const requests = [0, 1, 2, 3, 4].map(request);
      const groups = await sampler.rollout(requests, stepsFrom(2));
      expect(groups).toEqual(
        await halvingSampler(tiny.pipeline, settings).sampler.rollout(requests, stepsFrom(2)),
      );
      expect(calls).toHaveLength(parts * STEPS);
      for (const [step, count] of rows.entries())
        expect(calls.slice(step * parts, (step + 1) * parts).map((call) => call.rows)).toEqual(
          Array.from({ length: parts }, () => count),
        );
    },
  );
});
