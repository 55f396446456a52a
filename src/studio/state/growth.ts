/** @file Trees while they grow: as the server tells it, or told again once the pictures are there. */

import { signal } from '@preact/signals';
import type { ServedGroup } from '../../client/types.js';
import { withEntry } from './bounded.js';
import { lastSharedStep } from './last-shared-step.js';

const MOST_GROWING = 8;
/** A tree is told again in at most so long. */
const REPLAY_MS = 1600;
const LONGEST_STEP_MS = 260;

/** How far a tree has grown. */
export interface Growth {
  /** Steps that are done. */
  readonly step: number;
  /** The step of the newest guess of the shared beginning; null before there is one. */
  readonly trunk: number | null;
  /** The step of the newest guess of each branch; none before the fork. */
  readonly branches: ReadonlyMap<number, number>;
  readonly isReplay: boolean;
}

const growing = signal<ReadonlyMap<string, Growth>>(new Map());

/** How far the tree of a group has grown; undefined where it does not grow. */
export function growthOf(id: string): Growth | undefined {
  return growing.value.get(id);
}

/** Takes in that a guess of a tree can be seen. `lastShared` is its last shared step, once that is known. */
export function noteStep(
  id: string,
  step: number,
  node: number,
  lastShared?: number,
  isReplay = false,
): void {
  const before = growing.value.get(id);
  const branches = new Map(before?.branches);
  const isShared = lastShared === undefined ? node === 0 && branches.size === 0 : step <= lastShared;
  if (!isShared) branches.set(node, step);
  const trunk = isShared ? step : (before?.trunk ?? null);
  const growth = { step: Math.max(step, before?.step ?? 0), trunk, branches, isReplay };
  growing.value = withEntry(growing.value, id, growth, MOST_GROWING);
}

/** The pictures of a group are there. */
export function endGrowth(id: string): void {
  if (!growing.value.has(id)) return;
  const next = new Map(growing.value);
  next.delete(id);
  growing.value = next;
}

/** Shows how a tree has grown, from its beginning; not to those who do not want things to move. */
export function replayGrowth({ id, tree }: ServedGroup): void {
  if (!tree || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  const steps = [...new Set(tree.guesses.map(({ step }) => step))].sort((a, b) => a - b);
  const lastShared = lastSharedStep(tree);
  const pause = Math.min(LONGEST_STEP_MS, REPLAY_MS / Math.max(1, steps.length));
  const show = (index: number) => {
    const step = steps[index];
    if (step === undefined) {
      endGrowth(id);
      return;
    }
    for (const guess of tree.guesses)
      if (guess.step === step) noteStep(id, step, guess.node, lastShared, true);
    setTimeout(show, pause, index + 1);
  };
  show(0);
}
