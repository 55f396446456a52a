import type { RewardedGroup, SelectedSample } from '../records/records.js';
import { sampleOf } from './advantage-rule.js';
import { depthsBelowRoot, pathNodes } from './tree-nodes.js';

/**
 * Returns one sample a branch, whose steps each have the advantage of the node that they lead to.
 *
 * `advantagesAt(depth)[j]` is that of node j of this depth, from 1 to the depth of the leaves. `advantage` of a sample is
 * that of its leaf, so its last step's; `stepAdvantages` holds one a step of the branch's own path.
 */
export function edgeCreditedSamples<Trajectory>(
  group: RewardedGroup<Trajectory>,
  advantagesAt: (depth: number) => readonly number[],
): SelectedSample<Trajectory>[] {
  const byDepth = new Map(depthsBelowRoot(group.tree).map((depth) => [depth, advantagesAt(depth)]));
  return group.rewards.map((_, branch) => {
    // A node of the tree has a value at its depth; both reads are in range.
    const stepAdvantages = pathNodes(group.tree, branch).map(
      ({ depth, node }) => byDepth.get(depth)?.[node] as number,
    );
    return sampleOf(group, branch, stepAdvantages.at(-1) as number, stepAdvantages);
  });
}
