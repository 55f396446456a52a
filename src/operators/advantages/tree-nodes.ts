/** @file What the rules that credit edges read off a rollout tree: an edge is named by the node that it leads to. */

import { TributaryError } from '../../errors.js';
import { leafCount, leavesPerNode, pathDepth, type RolloutTree } from '../records/rollout-tree.js';

/** A node by its depth and its place among the nodes of that depth. */
export interface TreeNode {
  readonly depth: number;
  readonly node: number;
}

/** Depths that edges lead to: 1 to that of the leaves. */
export function depthsBelowRoot({ widths }: RolloutTree): number[] {
  return widths.slice(1).map((_, index) => index + 1);
}

/** The nodes that the edges on the path of a leaf lead to, in step order; the last is the leaf. */
export function pathNodes(tree: RolloutTree, leaf: number): TreeNode[] {
  return depthsBelowRoot(tree)
    .slice(pathDepth(tree, leaf))
    .map((depth) => ({ depth, node: Math.floor(leaf / leavesPerNode(tree, depth)) }));
}

/**
 * Mean, for each node of a depth, of the values of the leaves below it.
 *
 * Errors: TRIB_OPERATOR unless there is one value a leaf.
 */
export function nodeMeans(tree: RolloutTree, leafValues: readonly number[], depth: number): number[] {
  if (leafValues.length !== leafCount(tree)) {
    throw new TributaryError(
      'TRIB_OPERATOR',
      `groupAdvantages tree of widths [${tree.widths.join(', ')}]: expected ${leafCount(tree)} rewards, one a leaf, got ${leafValues.length}. Give a group the tree that its branches were rolled out in.`,
    );
  }
  const leaves = leavesPerNode(tree, depth);
  return Array.from({ length: tree.widths[depth] ?? 0 }, (_, node) => {
    const below = leafValues.slice(node * leaves, (node + 1) * leaves);
    return below.reduce((sum, value) => sum + value, 0) / leaves;
  });
}
