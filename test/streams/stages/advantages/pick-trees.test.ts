import { describe, expect, it } from 'vitest';
import { at } from '../../../../src/at.js';
import { treeWidths } from '../../../../src/models/rollouts/fork-plans.js';
import type { Trajectory } from '../../../../src/models/rollouts/sampler.js';
import { sameDepthRule } from '../../../../src/operators/advantages/rules/same-depth-rule.js';
import { branchCenteredRule, createHistory, type RewardedGroup } from '../../../../src/operators/index.js';
import { leafCount, leavesPerNode, pathDepth } from '../../../../src/rollout-tree.js';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { requireConfig } from '../../../../src/streams/config/source/lint-sources.js';
import { pickTrees } from '../../../../src/streams/stages/advantages/pick-trees.js';
import { SMALLEST } from '../../config/valid-config.js';

const configOf = (sampler: string) =>
  requireConfig(
    lintTopology(SMALLEST, 'tiny.yaml', {
      overrides: [
        `stages.sampler={type: sampler, numInferenceSteps: 4, ${sampler}}`,
        'stages.schedule={type: schedule, mode: floor-linear, first: 3, last: 4}',
        'stages.advantages={type: advantages, rule: same-depth}',
        'evaluation.verifier=shapes',
      ],
    }),
  );
const extremes = branchCenteredRule({ minGap: 0, keep: 'extremes' });

/** A group whose latents are one number each: 100 times the sampler step, and the node before it. */
function groupOf(
  config: ReturnType<typeof configOf>,
  { index = 0, firstStep = 1, prompt = 'a red circle', rewards = undefined as number[] | undefined } = {},
): RewardedGroup<Trajectory> {
  const trainedSteps = [0, 1, 2, 3].slice(firstStep);
  const sampler = config.stages.sampler as Parameters<typeof treeWidths>[0];
  const tree = { firstStep, widths: treeWidths(sampler, trainedSteps, 4).slice(firstStep) };
  const branches = Array.from({ length: leafCount(tree) }, (_, leaf): Trajectory => {
    const depths = [...tree.widths.keys()].slice(pathDepth(tree, leaf));
    const latents = depths.map(
      (depth) => 100 * (firstStep + depth) + Math.floor(leaf / leavesPerNode(tree, depth)),
    );
    return {
      firstStep: firstStep + at(depths, 0),
      latents: Float32Array.from(latents),
      logProbs: new Float32Array(depths.length - 1),
    };
  });
  return {
    groupId: `0-${index}`,
    groupIndex: index,
    round: 0,
    prompt,
    policyVersion: 0,
    interval: { round: 0, firstStep, numSteps: 4, trainedSteps },
    tree,
    branches,
    rewards: rewards ?? branches.map((_, branch) => branch),
  };
}

const pick = (
  config: ReturnType<typeof configOf>,
  groups: readonly RewardedGroup<Trajectory>[],
  rule = extremes,
) => {
  const { samples } = rule(createHistory(), groups);
  const batch = { samples, interval: groups[0]?.interval ?? null } as Parameters<
    typeof pickTrees
  >[1]['batch'];
  return pickTrees(config, { groups, batch });
};

describe('pickTrees', () => {
  it('should take what was trained on: the latents at the fork and at the ends, rewards, advantages', () => {
    const config = configOf('numBranches: 3');
    const [tree] = pick(config, [groupOf(config, { rewards: [0, 2, 4] })]);
    const z = 2 / (2 + 1e-8);
    expect(tree).toEqual({
      groupId: '0-0',
      prompt: 'a red circle',
      widths: [1, 1, 3, 3, 3],
      leaves: [
        { branch: 0, reward: 0, advantage: -z, credit: [null, -z, -z, -z], latents: Float32Array.of(400) },
        {
          branch: 1,
          reward: 2,
          advantage: null,
          credit: [null, null, null, null],
          latents: Float32Array.of(401),
        },
        { branch: 2, reward: 4, advantage: z, credit: [null, z, z, z], latents: Float32Array.of(402) },
      ],
      forks: [
        {
          step: 1,
          node: 0,
          recorded: {
            groupIndex: 0,
            step: 1,
            latents: Float32Array.of(100),
            next: [0, 1, 2].map((branch) => ({ branch, latents: Float32Array.of(200 + branch) })),
          },
        },
      ],
    });
  });

  it('should follow a branch through the paths of earlier ones where a tree forks at several steps', () => {
    const config = configOf('numBranches: 2, forkPlan: steps, forkSteps: [1, 3]');
    const group = groupOf(config, { rewards: [0, 1, 2, 3] });
    const [tree] = pick(config, [group], sameDepthRule({ stdFloor: 0 }));
    const recorded = tree?.forks.map((fork) => [
      fork.step,
      fork.node,
      fork.recorded?.latents[0],
      ...(fork.recorded?.next ?? []).flatMap(({ branch, latents }) => [branch, latents[0]]),
    ]);
    expect(recorded).toEqual([
      [1, 0, 100, 0, 200, 1, 201],
      [3, 0, 300, 0, 400, 1, 401],
      [3, 1, 301, 2, 402, 3, 403],
    ]);
    const credits = tree?.leaves.map(({ credit }) => credit.map((one) => one && Math.sign(one)));
    expect(credits).toEqual([
      [null, -1, -1, -1],
      [null, -1, -1, -1],
      [null, 1, 1, 1],
      [null, 1, 1, 1],
    ]);
    // Leaves 0 and 1 share the step that leaf 0 was credited for.
    expect(tree?.leaves[1]?.credit[1]).toBe(tree?.leaves[0]?.credit[1]);
  });

  it('should know nothing of a fork before the first trained step', () => {
    const config = configOf('numBranches: 2, forkPlan: steps, forkSteps: [0]');
    const [tree] = pick(config, [groupOf(config)]);
    expect(tree?.forks).toEqual([{ step: 0, node: 0, recorded: null }]);
    expect(tree?.leaves.map(({ latents }) => latents[0])).toEqual([400, 401]);
  });

  it('should show at most eight branches, those with the largest advantages among them', () => {
    const config = configOf('numBranches: 20');
    const rewards = Array.from({ length: 20 }, (_, branch) => (branch === 13 ? 5 : branch === 17 ? -5 : 0));
    const [tree] = pick(config, [groupOf(config, { rewards })]);
    const branches = tree?.leaves.map(({ branch }) => branch);
    expect(branches).toEqual([0, 1, 2, 3, 4, 5, 13, 17]);
    expect(tree?.forks[0]?.recorded?.next).toHaveLength(8);
  });

  it('should begin with groups that are trained on, one of each template', () => {
    const config = configOf('numBranches: 2');
    const prompts = [
      'two red circles',
      'two blue circles',
      'one red circle',
      'a red circle and a blue square',
      'a red circle left of a blue square',
    ];
    const groups = prompts.map((prompt, index) =>
      groupOf(config, { index, prompt, rewards: index === 0 ? [1, 1] : [0, 1] }),
    );
    expect(pick(config, groups).map(({ groupId }) => groupId)).toEqual(['0-1', '0-3', '0-4']);
  });

  it('should draw no trees of branches that share nothing', () => {
    const independent = configOf('numBranches: 2, forkPlan: independent');
    expect(pick(independent, [groupOf(independent)])).toEqual([]);
    const config = configOf('numBranches: 2');
    expect(pickTrees(config, { groups: [], batch: { interval: null, samples: [] } as never })).toEqual([]);
  });
});
