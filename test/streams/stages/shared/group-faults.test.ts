import { describe, expect, it } from 'vitest';
import type { Trajectory } from '../../../../src/models/rollouts/sampler.js';
import type { RolloutGroup } from '../../../../src/operators/index.js';
import type { PictureGroup } from '../../../../src/streams/messages/messages.js';
import {
  pictureFault,
  rolloutFault,
  trajectoryFault,
} from '../../../../src/streams/stages/shared/group-faults.js';
import { configOf as sizedConfig } from '../../config/config-of.js';
import { stageBench } from '../stage-bench.js';

/** As a sampler of the smallest config makes it: ten steps, four branches that fork at the first trained step. */
const group: RolloutGroup<unknown> = {
  groupId: '1-2',
  groupIndex: 34,
  round: 1,
  prompt: 'a',
  interval: { round: 1, firstStep: 7, numSteps: 10, trainedSteps: [7, 8, 9] },
  policyVersion: 1,
  tree: { firstStep: 7, widths: [1, 4, 4, 4] },
  branches: [],
};
const configOf = () => stageBench().context.config;

describe('rolloutFault', () => {
  it.each([
    ['take what a sampler makes', {}, null],
    ['take other trained steps, with the tree that these make', { firstStep: 8 }, null],
    ['refuse other steps', { numSteps: 11 }, 'expected rollouts of 10 steps, got 11'],
    ['refuse another tree', { widths: [1, 4, 4, 16] }, 'expected the tree 7: 1, 4, 4, 4, got 7: 1, 4, 4, 16'],
    [
      'refuse one that begins elsewhere',
      { treeStep: 6 },
      'expected the tree 7: 1, 4, 4, 4, got 6: 1, 4, 4, 4',
    ],
    ['refuse a group that is another by its index', { groupIndex: 35 }, 'expected group 1-2 to be the 34th'],
    ['refuse a group that no run has', { groupId: '1-32' }, 'expected a group <round>-<index>'],
  ])('should %s', (_, changes: Partial<Record<string, unknown>>, fault) => {
    const { firstStep = 7, numSteps = 10, widths, treeStep = firstStep, ...ids } = changes;
    const trainedSteps = [7, 8, 9].slice(Number(firstStep) - 7);
    const tree = {
      firstStep: Number(treeStep),
      widths: (widths as number[]) ?? [1, ...trainedSteps.map(() => 4)],
    };
    const interval = {
      ...group.interval,
      trainedSteps,
      firstStep: Number(firstStep),
      numSteps: Number(numSteps),
    };
    const got = rolloutFault(configOf())({ ...group, ...ids, interval, tree });
    expect(got).toEqual(fault === null ? null : expect.stringContaining(fault));
  });
});

describe('pictureFault', () => {
  it('should take pictures of the model, and refuse others that have as many numbers', () => {
    const faultOf = pictureFault(configOf(), [3, 16, 16]);
    const pictures = (imageShape: PictureGroup['imageShape']) => ({ ...group, imageShape }) as PictureGroup;
    expect(faultOf(pictures([3, 16, 16]))).toBeNull();
    expect(faultOf(pictures([16, 16, 3]))).toBe('expected pictures of [3, 16, 16], got [16, 16, 3]');
  });
});

const branch = (latentSize: number, steps: number): Trajectory => ({
  firstStep: 0,
  latents: new Float32Array(latentSize * (steps + 1)),
  logProbs: new Float32Array(steps),
});

const BUCKETS = [
  'stages.sampler.buckets=[{width: 16, height: 24}, {width: 24, height: 16}]',
  'evaluation.verifier=none',
];

describe('faults of pictures of several sizes', () => {
  const config = sizedConfig(...BUCKETS);

  it('should take pictures of each size, and no others', () => {
    const faultOf = pictureFault(config, [3, 24, 16]);
    const pictures = (imageShape: PictureGroup['imageShape']) => ({ ...group, imageShape }) as PictureGroup;
    expect([faultOf(pictures([3, 24, 16])), faultOf(pictures([3, 16, 24]))]).toEqual([null, null]);
    expect(faultOf(pictures([3, 16, 16]))).toBe(
      'expected pictures of [3, 24, 16] or [3, 16, 24], got [3, 16, 16]',
    );
  });

  it.each([
    ['take latents that name their shape', [[1, 3, 2]], null],
    ['refuse those that do not, as shapes may be equally long', [undefined], 'got []'],
    ['refuse another shape', [[1, 6, 1]], 'expected latents of [1, 3, 2] or [1, 2, 3], got [1, 6, 1]'],
    [
      'refuse branches that differ',
      [
        [1, 3, 2],
        [1, 2, 3],
      ],
      'expected latents of [1, 3, 2] in all branches',
    ],
  ] as const)('should %s', (_, shapes, fault) => {
    const faultOf = trajectoryFault(config, [
      [1, 3, 2],
      [1, 2, 3],
    ]);
    const branches = shapes.map((latentShape) => ({ ...branch(6, 2), ...(latentShape && { latentShape }) }));
    const got = faultOf({ ...group, branches });
    expect(got).toEqual(fault === null ? null : expect.stringContaining(fault));
  });

  it('should refuse latents that are not as long as their shape', () => {
    const faultOf = trajectoryFault(config, [[1, 3, 2]]);
    const short = { ...branch(5, 2), latentShape: [1, 3, 2] as const };
    expect(faultOf({ ...group, branches: [short] })).toContain('in all branches, got 5 numbers');
  });
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
    const faultOf = trajectoryFault(stageBench().context.config, [[6, 1, 1]]);
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
