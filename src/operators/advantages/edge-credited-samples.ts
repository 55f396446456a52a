/** @file Credit for the edges of a rollout tree. An edge is named by the node that it leads to. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { leafCount, leavesPerNode, pathDepth, type RolloutTree } from '../../rollout-tree.js';
import type { RewardedGroup, SelectedSample } from '../records/records.js';
import { sampleOf } from './advantage-rule.js';

/**
 * Returns one sample per branch, each of whose steps has the advantage of the node that it leads to.
 *
 * `advantagesAt(depth)[j]` is the advantage of node j at that depth, from 1 to the depth of the leaves. The `advantage` of
 * a sample is that of its last step; `stepAdvantages` holds one per step of the branch's own path.
 */
export function edgeCreditedSamples<Trajectory>(
  group: RewardedGroup<Trajectory>,
  advantagesAt: (depth: number) => readonly number[],
): SelectedSample<Trajectory>[] {
  const byDepth = depthsBelowRoot(group.tree).map(advantagesAt);
  return group.rewards.map((_, branch) => {
    const stepAdvantages = pathNodes(group.tree, branch).map(({ depth, node }) =>
      at(at(byDepth, depth - 1), node),
    );
    return sampleOf(group, branch, at(stepAdvantages, -1), stepAdvantages);
  });
}

/** Depths that edges lead to: 1 to that of the leaves. */
export function depthsBelowRoot({ widths }: RolloutTree): number[] {
  return widths.slice(1).map((_, index) => index + 1);
}

/** The nodes that the edges on a leaf's path lead to, in step order; `node` counts within its depth. The last is the leaf. */
export function pathNodes(
  tree: RolloutTree,
  leaf: number,
): { readonly depth: number; readonly node: number }[] {
  return depthsBelowRoot(tree)
    .slice(pathDepth(tree, leaf))
    .map((depth) => ({ depth, node: Math.floor(leaf / leavesPerNode(tree, depth)) }));
}

/**
 * Mean, for each node of a depth, of the values of the leaves below it.
 *
 * Errors: TRIB_OPERATOR unless there is one value per leaf.
 */
export function nodeMeans(tree: RolloutTree, leafValues: readonly number[], depth: number): number[] {
  if (leafValues.length !== leafCount(tree)) {
    throw new TributaryError(
      'TRIB_OPERATOR',
      `groupAdvantages tree of widths [${tree.widths.join(', ')}]: expected ${leafCount(tree)} rewards, one per leaf, got ${leafValues.length}. Give a group the tree that its branches were rolled out in.`,
    );
  }
  const leaves = leavesPerNode(tree, depth);
  return Array.from({ length: at(tree.widths, depth) }, (_, node) => {
    const below = leafValues.slice(node * leaves, (node + 1) * leaves);
    return below.reduce((sum, value) => sum + value, 0) / leaves;
  });
}
