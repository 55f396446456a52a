/** @file One tree of rollouts as SVG, from plain data. */

import { at } from '../../../at.js';
import type { RoundTrees, ShownTree } from '../../messages/round-trees.js';
import { escapeHtml, writeNumber, writeScore, writeSigned, writeSteps } from '../figures.js';
import { pixels } from '../plot-area.js';
import { layOutTree, TREE_WIDTH, type TreeLayout } from './tree-layout.js';

/** The round of a tree, and the id of the element that holds its sheet of pictures. */
export interface DrawnRound extends Pick<RoundTrees, 'sheet' | 'timesteps' | 'trainedSteps'> {
  readonly sheetId: string;
}

type Tone = 'up' | 'down' | 'out';

/** Thinner steps have no dots. */
const LEAST_DOTTED = 6;
/** Height of a line of text in the gutter. */
const LINE = 14;
/** Base lines of the numbers, below a picture. */
const REWARD = 15;
const ADVANTAGE = 31;

/** Draws a tree: prefix, forks with what the network expected there, branches, their pictures, rewards and advantages. */
export function drawTree(tree: ShownTree, round: DrawnRound): string {
  const layout = layOutTree(tree);
  const hidden = at(tree.widths, -1) - tree.leaves.length;
  const parts = [
    names(tree, round, layout),
    ...layout.steps.map((step) => drawStep(tree, step, layout)),
    ...layout.steps.filter(({ step }) => step === 0).map(({ from }) => dot(from, 3.5, 'out')),
    ...layout.forks.map((fork) =>
      fork.picture === null || fork.size === 0
        ? dot(fork, 3.5, 'out')
        : `<g class="fork">${picture(round, fork.picture, fork.x - fork.size / 2, fork.y - fork.size / 2, fork.size)}${frame(fork.x - fork.size / 2, fork.y - fork.size / 2, fork.size)}</g>`,
    ),
    ...tree.leaves.map((_, index) => drawLeaf(tree, index, round, layout)),
    hidden > 0
      ? `<text class="tick" x="${TREE_WIDTH}" y="${pixels(layout.height + 13)}" text-anchor="end">and ${hidden} more</text>`
      : '',
  ];
  const height = layout.height + (hidden > 0 ? 18 : 0);
  return `<svg viewBox="0 0 ${TREE_WIDTH} ${pixels(height)}" role="img" aria-label="${escapeHtml(inWords(tree, round))}">${parts.join('')}</svg>`;
}

function toneOf(advantage: number | null): Tone {
  if (advantage === null || advantage === 0) return 'out';
  return advantage < 0 ? 'down' : 'up';
}

/** A step in the color of what it is trained with; a shared one that is not trained is neutral, not faded. */
function drawStep(
  { leaves }: ShownTree,
  { step, from, to, leaves: below }: TreeLayout['steps'][number],
  { stepHeight }: TreeLayout,
): string {
  const credits = below.map((leaf) => at(at(leaves, leaf).credit, step));
  const credit = credits.find((one) => one !== null) ?? null;
  const isLeftOut = below.every((leaf) => at(leaves, leaf).credit.every((one) => one === null));
  const tone = toneOf(credit);
  const width = credit === null ? 1.5 : 2 + Math.min(2, Math.abs(credit));
  const middle = (from.y + to.y) / 2;
  const path =
    from.x === to.x
      ? `M${pixels(from.x)} ${pixels(from.y)}V${pixels(to.y)}`
      : `M${pixels(from.x)} ${pixels(from.y)}C${pixels(from.x)} ${pixels(middle)} ${pixels(to.x)} ${pixels(middle)} ${pixels(to.x)} ${pixels(to.y)}`;
  const faded = isLeftOut ? ' faded' : '';
  const line = `<path class="branch ${tone}${faded}" d="${path}" stroke-width="${pixels(width)}"/>`;
  const hasDots = stepHeight >= LEAST_DOTTED;
  return line + (hasDots ? dot(to, Math.max(2.4, width * 0.8), tone, faded) : '');
}

function dot({ x, y }: { readonly x: number; readonly y: number }, r: number, tone: Tone, more = ''): string {
  return `<circle class="node ${tone}${more}" cx="${pixels(x)}" cy="${pixels(y)}" r="${pixels(r)}"/>`;
}

function drawLeaf(tree: ShownTree, index: number, round: DrawnRound, layout: TreeLayout): string {
  const { advantage, reward, picture: which, branch } = at(tree.leaves, index);
  const x = at(layout.columns, index);
  const { leafSize, leafTop } = layout;
  const tone = toneOf(advantage);
  const [left, below] = [x - leafSize / 2, leafTop + leafSize];
  const small = leafSize < 44 ? ' small-text' : '';
  const text = (dy: number, kind: string, value: string) =>
    `<text class="${kind}${small}" x="${pixels(x)}" y="${pixels(below + dy)}" text-anchor="middle">${value}</text>`;
  const title = `<title>branch ${branch}: reward ${value(reward)}, ${advantage === null ? 'left out' : `advantage ${writeSigned(advantage, 2)}`}</title>`;
  return `<g class="leaf ${tone}${advantage === null ? ' left-out' : ''}">${title}${picture(round, which, left, leafTop, leafSize)}${frame(left, leafTop, leafSize)}${text(REWARD, 'reward', value(reward))}${text(ADVANTAGE, 'advantage', advantage === null ? '–' : writeSigned(advantage, 2))}</g>`;
}

/** One picture of the sheet. */
function picture({ sheet, sheetId }: DrawnRound, index: number, x: number, y: number, side: number): string {
  const { columns, width, height, gap } = sheet;
  const left = gap + (index % columns) * (width + gap);
  const top = gap + Math.floor(index / columns) * (height + gap);
  return `<svg class="window" x="${pixels(x)}" y="${pixels(y)}" width="${pixels(side)}" height="${pixels(side)}" viewBox="${left} ${top} ${width} ${height}"><use href="#${sheetId}"/></svg>`;
}

function frame(x: number, y: number, side: number): string {
  return `<rect class="frame" x="${pixels(x)}" y="${pixels(y)}" width="${pixels(side)}" height="${pixels(side)}" rx="2"/>`;
}

/** A name in the gutter, centered at `y`. */
interface Name {
  readonly y: number;
  readonly lines: readonly string[];
}

/** What stands at the left: the times of the forks, how many steps are shared and trained, and what the numbers are. */
function names(
  { widths, forks }: ShownTree,
  { timesteps, trainedSteps }: DrawnRound,
  { rows, leafTop, leafSize }: TreeLayout,
): string {
  const forkSteps = [...new Set(forks.map(({ step }) => step))];
  const [first = 0] = forkSteps;
  const [from, to] = [trainedSteps[0] ?? 0, (trainedSteps.at(-1) ?? 0) + 1];
  const below = leafTop + leafSize;
  const steps = (count: number) => (count === 1 ? '1 step' : `${count} steps`);
  const wanted: Name[] = [
    { y: leafTop + leafSize / 2, lines: ['picture'] },
    { y: below + REWARD - 4, lines: ['reward'] },
    { y: below + ADVANTAGE - 4, lines: ['advantage'] },
    ...forkSteps.map((step, index) => ({
      y: at(rows, step),
      lines: [...(index === 0 ? ['fork at'] : []), `t = ${Math.round(at(timesteps, step))}`],
    })),
    { y: (at(rows, from) + at(rows, to)) / 2, lines: [steps(trainedSteps.length), 'trained'] },
    ...(first > 0 ? [{ y: at(rows, 0), lines: ['noise'] }] : []),
    ...(first > 0 && at(widths, 0) === 1
      ? [{ y: (at(rows, 0) + at(rows, first) - LINE) / 2, lines: [steps(first), 'shared'] }]
      : []),
  ];
  const placed: Name[] = [];
  const isFree = (name: Name) =>
    placed.every(
      (other) => Math.abs(other.y - name.y) >= (LINE * (other.lines.length + name.lines.length)) / 2,
    );
  for (const name of wanted) if (isFree(name)) placed.push(name);
  return placed
    .flatMap(({ y, lines }) =>
      lines.map(
        (line, index) =>
          `<text class="tick" x="0" y="${pixels(y + (index - (lines.length - 1) / 2) * LINE)}" dy="0.32em">${line}</text>`,
      ),
    )
    .join('');
}

/** The tree as a sentence, for those who cannot see it. */
function inWords({ prompt, widths, leaves, forks }: ShownTree, { timesteps }: DrawnRound): string {
  const steps = [...new Set(forks.map(({ step }) => step))];
  const times = steps.map((step) => Math.round(at(timesteps, step))).join(', ');
  const ends = leaves.map(
    ({ branch, reward, advantage }) =>
      `branch ${branch}: reward ${value(reward)}, ${advantage === null ? 'left out' : `advantage ${writeSigned(advantage, 2)}`}`,
  );
  return `${prompt}. ${at(widths, -1)} branches, forked before step ${writeSteps(steps)} (t = ${times}). ${ends.join('; ')}.`;
}

/** Three decimals, or what is left of them in large numbers. */
function value(number: number): string {
  return Math.abs(number) < 100 ? writeScore(number) : writeNumber(number).replace('-', '−');
}
