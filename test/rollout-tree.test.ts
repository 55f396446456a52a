import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leafCount, leavesPerNode, pathDepth, type RolloutTree, sharesEdges } from '../src/rollout-tree.js';

const leavesOf = (tree: RolloutTree) => Array.from({ length: leafCount(tree) }, (_, leaf) => leaf);

/** A trunk, a binary fork, a step without fork, a binary fork: the tree that is drawn in the file. */
const drawn: RolloutTree = { firstStep: 4, widths: [1, 2, 2, 4] };

describe('a rollout tree', () => {
  it('should count its leaves, and those below a node of each depth', () => {
    expect(leafCount(drawn)).toBe(4);
    expect([0, 1, 2, 3].map((depth) => leavesPerNode(drawn, depth))).toEqual([4, 2, 2, 1]);
  });

  it('should begin the path of a leaf where it leaves that of an earlier one', () => {
    expect(leavesOf(drawn).map((leaf) => pathDepth(drawn, leaf))).toEqual([0, 2, 0, 2]);
    expect(leavesOf(drawn).map((leaf) => drawn.firstStep + pathDepth(drawn, leaf))).toEqual([4, 6, 4, 6]);
  });

  it('should give the trunk to the first leaf alone', () => {
    const tree = { firstStep: 0, widths: [1, 1, 1, 3, 3] };
    expect(leavesOf(tree).map((leaf) => pathDepth(tree, leaf))).toEqual([0, 2, 2]);
  });

  it('should say from which step on no edge is shared', () => {
    // the edges of depth 0 and 1 (steps 4 and 5) each lead to two leaves
    expect([4, 5, 6].map((step) => sharesEdges(drawn, step))).toEqual([true, true, false]);
    expect(sharesEdges({ firstStep: 4, widths: [1, 4, 4] }, 4)).toBe(false);
  });

  it('should give every edge to exactly one path', () => {
    const forks = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(forks, (factors) => {
        const widths = [1];
        for (const factor of factors) widths.push((widths.at(-1) ?? 1) * factor);
        const tree = { firstStep: 0, widths };
        // An edge is the node it leads to.
        const owned = leavesOf(tree).flatMap((leaf) =>
          widths
            .slice(1 + pathDepth(tree, leaf))
            .map(
              (width, index) =>
                `${index + 1 + pathDepth(tree, leaf)}/${Math.floor((leaf * width) / leafCount(tree))}`,
            ),
        );
        expect(owned).toHaveLength(widths.slice(1).reduce((sum, width) => sum + width, 0));
        expect(new Set(owned).size).toBe(owned.length);
      }),
    );
  });
});
