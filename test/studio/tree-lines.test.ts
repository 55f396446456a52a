import { describe, expect, it } from 'vitest';
import { type Box, treeLines } from '../../src/studio/parts/tree-lines.js';

const box = (left: number, top: number, size: number): Box => ({
  left,
  top,
  right: left + size,
  bottom: top + size,
});
const trunk = box(0, 95, 50);
const grid = (columns: number) =>
  [0, 120].flatMap((top) =>
    Array.from({ length: columns }, (_, column) => box(100 + 120 * column, top, 100)),
  );

/** The points that a path goes through or bends at. */
const points = (path: string) =>
  [...path.matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const);

describe('treeLines', () => {
  it('should lead from the middle of the trunk to the middle of each leaf', () => {
    const lines = treeLines(trunk, grid(2), false).map(points);
    expect(lines.map((line) => line[0])).toEqual([50, 50, 50, 50].map((x) => [x, 120]));
    expect(lines.map((line) => line.at(-1))).toEqual([
      [100, 50],
      [220, 50],
      [100, 170],
      [220, 170],
    ]);
  });

  it('should go around the leaves before, in a lane for each line', () => {
    const lines = treeLines(trunk, grid(3), false).map(points);
    const lanes = [1, 2, 4, 5].map((leaf) => lines[leaf]?.find(([x]) => x === 100)?.[1]);
    expect(new Set(lanes).size).toBe(4);
    for (const lane of lanes) {
      expect(lane).toBeGreaterThan(100);
      expect(lane).toBeLessThan(120);
    }
    // The line to the farthest leaf runs below that of the nearer one, which bends up before it.
    expect(lanes[1]).toBeGreaterThan(lanes[0] ?? 0);
  });

  it('should lead down to leaves that stand below', () => {
    const turned = (one: Box): Box => ({
      left: one.top,
      top: one.left,
      right: one.bottom,
      bottom: one.right,
    });
    const lines = treeLines(turned(trunk), grid(2).map(turned), true).map(points);
    expect(lines.map((line) => [line[0], line.at(-1)])).toEqual([
      [
        [120, 50],
        [50, 100],
      ],
      [
        [120, 50],
        [50, 220],
      ],
      [
        [120, 50],
        [170, 100],
      ],
      [
        [120, 50],
        [170, 220],
      ],
    ]);
  });

  it('should lead straight on where there is one row', () => {
    expect(treeLines(box(0, 0, 100), [box(150, 0, 100)], false)).toEqual(['M100 50C125 50 125 50 150 50']);
  });
});
