import { describe, expect, it } from 'vitest';
import {
  depthsBelowRoot,
  nodeMeans,
  pathNodes,
} from '../../../src/operators/advantages/edge-credited-samples.js';

/** The tree that is drawn in rollout-tree.ts. */
const drawn = { firstStep: 4, widths: [1, 2, 2, 4] };

describe('pathNodes', () => {
  it('should name the nodes that the own edges of a leaf lead to', () => {
    expect(depthsBelowRoot(drawn)).toEqual([1, 2, 3]);
    const paths = [0, 1, 2, 3].map((leaf) =>
      pathNodes(drawn, leaf).map(({ depth, node }) => `${depth}/${node}`),
    );
    expect(paths).toEqual([['1/0', '2/0', '3/0'], ['3/1'], ['1/1', '2/1', '3/2'], ['3/3']]);
  });
});

describe('nodeMeans', () => {
  it('should average the leaves below each node', () => {
    expect([0, 1, 2, 3].map((depth) => nodeMeans(drawn, [0, 6, 6, 8], depth))).toEqual([
      [5],
      [3, 7],
      [3, 7],
      [0, 6, 6, 8],
    ]);
  });

  it('should refuse a tree with another number of leaves', () => {
    expect(() => nodeMeans(drawn, [1, 2, 3], 1)).toThrow(
      'groupAdvantages tree of widths [1, 2, 2, 4]: expected 4 rewards, one per leaf, got 3. Give a group the tree that its branches were rolled out in.',
    );
  });
});
