/** @file The lines of a tree from its trunk to its leaves, which stand in rows and columns beside or below it. */

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Between lines that run beside each other. */
const LANE = 7;
const BEND = 14;

const middle = (from: number, to: number) => (from + to) / 2;
const round = (value: number) => Math.round(value * 10) / 10;

/** A path of straight pieces with round corners. */
function bent(points: readonly (readonly [x: number, y: number])[]): string {
  return points
    .map(([x, y], index) => {
      const [before, after] = [points[index - 1], points[index + 1]];
      if (!before) return `M${round(x)} ${round(y)}`;
      if (!after) return `L${round(x)} ${round(y)}`;
      const toward = ([otherX, otherY]: readonly [number, number]) => {
        const length = Math.hypot(otherX - x, otherY - y);
        const share = length === 0 ? 0 : Math.min(BEND, length / 2) / length;
        return `${round(x + (otherX - x) * share)} ${round(y + (otherY - y) * share)}`;
      };
      return `L${toward(before)}Q${round(x)} ${round(y)} ${toward(after)}`;
    })
    .join('');
}

/**
 * Returns a path for each leaf. Leaves next to the trunk get a curve; to the others a line runs through the gap between the
 * rows, each in a lane of its own, and bends off before its leaf.
 *
 * @param isUpright whether the leaves stand below the trunk, and not at its right: then x and y change places.
 */
export function treeLines(trunk: Box, leaves: readonly Box[], isUpright: boolean): string[] {
  if (isUpright) return treeLines(turned(trunk), leaves.map(turned), false).map(turnedPath);
  const near = Math.min(...leaves.map(({ left }) => left));
  const start = { x: trunk.right, y: middle(trunk.top, trunk.bottom) };
  const far = leaves.filter(({ left }) => Math.round(left) !== Math.round(near));
  const gap = gapBetweenRows(leaves, start.y);
  const isAbove = (leaf: Box) => middle(leaf.top, leaf.bottom) < gap.middle;
  const laneOf = (leaf: Box) => {
    // The line that goes farthest runs in the middle, so that no two of them cross.
    const side = far.filter((other) => isAbove(other) === isAbove(leaf)).sort((a, b) => b.left - a.left);
    const width = Math.min(LANE, gap.size / (2 * side.length + 1));
    return gap.middle + (isAbove(leaf) ? -1 : 1) * width * (0.5 + side.indexOf(leaf));
  };
  return leaves.map((leaf) => {
    const y = middle(leaf.top, leaf.bottom);
    if (!far.includes(leaf)) return curve(start.x, start.y, leaf.left, y);
    const lane = laneOf(leaf);
    const before = leaves.filter(({ left }) => Math.round(left) < Math.round(leaf.left));
    const turn = middle(Math.max(...before.map(({ right }) => right)), leaf.left);
    const rest = bent([
      [near, lane],
      [turn, lane],
      [turn, y],
      [leaf.left, y],
    ]);
    return curve(start.x, start.y, near, lane) + rest.replace(/^M[^L]*/, '');
  });
}

function curve(fromX: number, fromY: number, toX: number, toY: number): string {
  const half = round(middle(fromX, toX));
  return `M${round(fromX)} ${round(fromY)}C${half} ${round(fromY)} ${half} ${round(toY)} ${round(toX)} ${round(toY)}`;
}

/** The gap that is nearest to a height; that height where there is one row. */
function gapBetweenRows(leaves: readonly Box[], height: number): { middle: number; size: number } {
  const tops = [...new Set(leaves.map(({ top }) => Math.round(top)))].sort((a, b) => a - b);
  const gaps = tops.slice(1).map((top) => {
    const above = leaves.filter((leaf) => Math.round(leaf.top) < top);
    const bottom = Math.max(...above.map((leaf) => leaf.bottom));
    return { middle: middle(bottom, top), size: top - bottom };
  });
  const distance = (gap: { middle: number }) => Math.abs(gap.middle - height);
  return gaps.sort((a, b) => distance(a) - distance(b))[0] ?? { middle: height, size: 0 };
}

function turned({ left, top, right, bottom }: Box): Box {
  return { left: top, top: left, right: bottom, bottom: right };
}

function turnedPath(path: string): string {
  return path.replace(/(-?[\d.]+) (-?[\d.]+)/g, '$2 $1');
}
