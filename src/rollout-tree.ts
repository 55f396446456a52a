/**
 * @file The shape of one group's tree of rollouts: nodes are latents, edges are denoising steps, leaves are pictures.
 * Latents and log-probs are in the trajectories.
 *
 * A tree is cut into paths, one per leaf. The path of a leaf begins where it leaves the path of an earlier leaf, so every
 * edge belongs to exactly one path and is stored, sent and trained on once.
 *
 *     depth 0    1    2    3          widths 1, 2, 2, 4
 *           o----o----o----o  leaf 0: edges of depth 0, 1, 2
 *           |         `----o  leaf 1: edge of depth 2
 *           `----o----o----o  leaf 2: edges of depth 0, 1, 2
 *                     `----o  leaf 3: edge of depth 2
 */

import { at } from './at.js';

/** Shape of a group's tree from sampler step `firstStep` on. */
export interface RolloutTree {
  /** The sampler step that the first edges take. */
  readonly firstStep: number;
  /**
   * Nodes before sampler step `firstStep + d`; the last are the leaves, one per branch. Each width divides the next: node
   * j at depth d + 1 continues node ⌊j · widths[d] / widths[d + 1]⌋.
   */
  readonly widths: readonly number[];
}

/** Leaves of the tree: the branches of the group. */
export function leafCount({ widths }: RolloutTree): number {
  return at(widths, -1);
}

/** Leaves below each node of a depth. */
export function leavesPerNode(tree: RolloutTree, depth: number): number {
  return leafCount(tree) / at(tree.widths, depth);
}

/** The first depth whose edge belongs to the path of a leaf: that of the first edge that no earlier leaf shares. */
export function pathDepth(tree: RolloutTree, leaf: number): number {
  const edges = tree.widths.length - 1;
  for (let depth = 0; depth < edges; depth++) {
    if (leaf % leavesPerNode(tree, depth + 1) === 0) return depth;
  }
  return edges;
}

/** Whether any two leaves share an edge at or after a sampler step. */
export function sharesEdges(tree: RolloutTree, fromStep: number): boolean {
  return tree.widths
    .slice(1)
    .some((width, depth) => tree.firstStep + depth >= fromStep && width < leafCount(tree));
}
