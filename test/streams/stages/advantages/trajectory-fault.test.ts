import { describe, expect, it } from 'vitest';
import type { Trajectory } from '../../../../src/models/rollouts/sampler.js';
import type { RolloutGroup } from '../../../../src/operators/index.js';
import { trajectoryFault } from '../../../../src/streams/stages/advantages/trajectory-fault.js';
import { stageBench } from '../stage-bench.js';

const branch = (latentSize: number, steps: number): Trajectory => ({
  firstStep: 0,
  latents: new Float32Array(latentSize * (steps + 1)),
  logProbs: new Float32Array(steps),
});

describe('trajectoryFault', () => {
  it.each([
    ['take latents of the model, of whichever steps', '0-1', [branch(6, 2), branch(6, 3)], null],
    ['refuse others', '0-1', [branch(6, 2), branch(5, 2)], 'expected latents of 6 numbers, got 5'],
    [
      'refuse a group that no run has',
      '0-999999',
      [branch(6, 2)],
      expect.stringContaining('expected a group'),
    ],
  ])('should %s', (_, groupId, branches, fault) => {
    const faultOf = trajectoryFault(stageBench().context.config, 6);
    const group = {
      groupId,
      groupIndex: 1,
      round: 0,
      prompt: 'a',
      interval: { round: 0, firstStep: 7, numSteps: 10, trainedSteps: [7, 8, 9] },
      policyVersion: 0,
      tree: { firstStep: 7, widths: [1, 4, 4, 4] },
      branches,
    } satisfies RolloutGroup<Trajectory>;
    expect(faultOf(group)).toEqual(fault);
  });
});
