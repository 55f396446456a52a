import { describe, expect, it } from 'vitest';
import type { ShownTree } from '../../../src/streams/messages/round-trees.js';
import { drawTree } from '../../../src/streams/report/trees/draw-tree.js';
import { treeSection } from '../../../src/streams/report/trees/tree-section.js';
import { roundMetrics } from '../example-metrics.js';
import { exampleTrees } from './example-report.js';
import { elementsOf } from './markup.js';

const [example] = exampleTrees.trees as [ShownTree];
const round = { ...exampleTrees, sheetId: 'sheet' };
const textOf = (html: string) => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
const count = (text: string, part: string) => text.split(part).length - 1;

describe('drawTree', () => {
  it('should show the fork with its time, and every branch with reward and advantage', () => {
    const svg = drawTree(example, round);
    elementsOf(svg);
    expect(textOf(svg)).toContain('fork at t = 501');
    expect(textOf(svg)).toContain('4 steps shared');
    expect(textOf(svg)).toContain('0.400 +0.91');
    expect(textOf(svg)).toContain('0.300 −1.37');
    expect(textOf(svg)).toContain('0.200 –');
    // The fork and four ends.
    expect(count(svg, '<use href="#sheet"/>')).toBe(5);
    expect(svg).toContain('viewBox="11 1 4 4"');
  });

  it('should color the steps that are trained by their sign, and fade branches that are left out', () => {
    const svg = drawTree(example, round);
    expect(count(svg, 'class="branch up"')).toBe(6);
    expect(count(svg, 'class="branch down"')).toBe(6);
    expect(count(svg, 'class="branch out faded"')).toBe(2 * 6);
    expect(count(svg, 'class="branch out"')).toBe(4);
    expect(count(svg, 'left-out"')).toBe(2);
  });

  it('should say the same to those who cannot see it', () => {
    expect(drawTree(example, round)).toContain(
      'aria-label="a &lt;red&gt; circle. 4 branches, forked before step 4 (t = 501). branch 0: reward 0.400, advantage +0.91; branch 1: reward 0.300, advantage −1.37; branch 2: reward 0.200, left out; branch 3: reward 0.100, left out."',
    );
  });

  it('should keep what it draws inside its frame, whatever forks and however often', () => {
    const leaf = (branch: number, numSteps: number) => ({
      branch,
      reward: -1234.5,
      advantage: 10,
      credit: Array.from({ length: numSteps }, () => 10),
      picture: 0,
    });
    const trees: ShownTree[] = [
      { ...example, widths: [1, 2, 2], leaves: [0, 1].map((b) => leaf(b, 2)), forks: [] },
      {
        ...example,
        widths: [1, 2, 4, 4, 8, 16],
        leaves: [0, 2, 3, 9, 10, 11, 12, 15].map((b) => leaf(b, 5)),
        forks: [0, 1, 3, 4].flatMap((step) => [{ step, node: 0, picture: step === 0 ? null : 0 }]),
      },
      {
        ...example,
        widths: [...Array(40).fill(1), ...Array(61).fill(5)],
        leaves: [0, 1, 2].map((b) => leaf(b, 100)),
        forks: [{ step: 39, node: 0, picture: 0 }],
      },
    ];
    for (const tree of trees) {
      const timesteps = tree.widths.slice(1).map((_, step) => 1000 - step);
      const svg = drawTree(tree, { ...round, timesteps, trainedSteps: [1] });
      elementsOf(svg);
      expect(svg).not.toMatch(/NaN|undefined|="-/);
      const [, width, height] = (/viewBox="0 0 (\d+) ([\d.]+)"/.exec(svg) ?? []).map(Number);
      for (const [, name, value] of svg.matchAll(/ (x|y|cx|cy)="([\d.]+)"/g))
        expect(Number(value)).toBeLessThanOrEqual((name?.endsWith('x') ? width : height) ?? 0);
      const hidden = (tree.widths.at(-1) ?? 0) - tree.leaves.length;
      expect(svg.includes(`>and ${hidden} more<`)).toBe(hidden > 0);
    }
  });
});

describe('treeSection', () => {
  it('should say of each round where it forks, what it trains, and how alike the rewards are', () => {
    const html = treeSection({ trees: [exampleTrees], rounds: [roundMetrics(2)], numRounds: 24 });
    elementsOf(html);
    expect(textOf(html)).toContain(
      'Round 3 of 24 forks before step 4 of 10, at t = 501 · trains steps 4–9 · correlation of the rewards in a group',
    );
    expect(count(html, 'data:image/png;base64,')).toBe(1);
    expect(treeSection({ trees: [], rounds: [], numRounds: 24 })).toBe('');
  });
});
