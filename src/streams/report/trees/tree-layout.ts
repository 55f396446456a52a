/** @file Where the parts of a tree of rollouts stand: time runs down, the noise at the top and the pictures at the bottom. */

import { at } from '../../../at.js';
import type { ShownTree } from '../../messages/round-trees.js';

/** Width of a drawing, and of the column of names at its left; in pixels, like all lengths here. */
export const TREE_WIDTH = 320;
export const GUTTER = 64;

const TOP = 12;
/** From a fork to the ends of its curves. */
const CURVE = 34;
/** Height of all steps together, and limits of one. */
const TIME = 150;
const STEP = { least: 3, most: 22 } as const;
const LARGEST_PICTURE = 60;
const PICTURE_GAP = 6;

interface PlacedFork {
  readonly x: number;
  readonly y: number;
  /** Side of its picture; 0 where there is none. */
  readonly size: number;
  readonly step: number;
  readonly picture: number | null;
}

/** One step of the sampler, shared by `leaves`. */
interface PlacedStep {
  readonly step: number;
  readonly from: { readonly x: number; readonly y: number };
  readonly to: { readonly x: number; readonly y: number };
  /** Indices among the leaves that are shown. */
  readonly leaves: readonly number[];
}

export interface TreeLayout {
  readonly height: number;
  /** Where each step begins, and the last ends: S + 1 heights. */
  readonly rows: readonly number[];
  /** Height of a step without a fork. */
  readonly stepHeight: number;
  readonly steps: readonly PlacedStep[];
  readonly forks: readonly PlacedFork[];
  /** The middle of every leaf's column. */
  readonly columns: readonly number[];
  readonly leafSize: number;
  /** Top of the pictures at the bottom. */
  readonly leafTop: number;
}

/** Lays a tree out. Trees that fork at the same steps get the same rows. */
export function layOutTree({ widths, leaves, forks }: ShownTree): TreeLayout {
  const numSteps = widths.length - 1;
  const column = (TREE_WIDTH - GUTTER) / leaves.length;
  const columns = leaves.map((_, index) => GUTTER + (index + 0.5) * column);
  const nodeOf = (branch: number, step: number) =>
    Math.floor((branch * at(widths, step)) / at(widths, numSteps));
  /** The leaves below every node before a step. */
  const nodesAt = (step: number): number[][] => {
    const below = new Map<number, number[]>();
    for (const [index, { branch }] of leaves.entries()) {
      const node = nodeOf(branch, step);
      below.set(node, [...(below.get(node) ?? []), index]);
    }
    return [...below.values()];
  };
  const middle = (below: readonly number[]) => (at(columns, at(below, 0)) + at(columns, at(below, -1))) / 2;

  const forkSize = (step: number): number => {
    if (!forks.some((fork) => fork.step === step && fork.picture !== null)) return 0;
    const narrowest = Math.min(...nodesAt(step).map((below) => below.length)) * column;
    return Math.min(LARGEST_PICTURE, Math.max(0, narrowest - PICTURE_GAP));
  };
  const isFork = (step: number) => at(widths, step + 1) > at(widths, step);
  const stepHeight = Math.min(STEP.most, Math.max(STEP.least, TIME / numSteps));
  const rows: number[] = [];
  let y = TOP;
  for (let step = 0; step < numSteps; step++) {
    const half = isFork(step) ? forkSize(step) / 2 : 0;
    rows.push(y + half);
    y += isFork(step) ? 2 * half + CURVE : stepHeight;
  }
  rows.push(y);

  const steps = Array.from({ length: numSteps }, (_, step) =>
    nodesAt(step + 1).map((below): PlacedStep => {
      const parent = nodesAt(step).find((candidates) => candidates.includes(at(below, 0))) ?? below;
      return {
        step,
        from: { x: middle(parent), y: at(rows, step) + (isFork(step) ? forkSize(step) / 2 : 0) },
        to: { x: middle(below), y: at(rows, step + 1) - (isForkAt(step + 1) ? forkSize(step + 1) / 2 : 0) },
        leaves: below,
      };
    }),
  ).flat();
  function isForkAt(step: number): boolean {
    return step < numSteps && isFork(step);
  }

  const leafSize = Math.min(LARGEST_PICTURE, column - PICTURE_GAP);
  const leafTop = y + 5;
  return {
    height: leafTop + leafSize + 38,
    rows,
    stepHeight,
    steps,
    forks: forks.map(({ step, node, picture }) => {
      const below = leaves.flatMap(({ branch }, index) => (nodeOf(branch, step) === node ? [index] : []));
      return { step, picture, x: middle(below), y: at(rows, step), size: forkSize(step) };
    }),
    columns,
    leafSize,
    leafTop,
  };
}
