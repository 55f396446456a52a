import { at } from '../../at.js';
import { leavesPerNode, type RolloutTree } from '../../rollout-tree.js';
import type { RecordedStep } from './clean-guess.js';
import type { Trajectory } from './sampler.js';

interface NodePlace {
  /** What keyed the random numbers of the group. */
  readonly groupIndex: number;
  /** At least the first step of the tree, and below the last. */
  readonly step: number;
  /** Index among the latents of the group before that step. */
  readonly node: number;
}

/**
 * Returns a latent of a group with all that its step made of it.
 *
 * A latent lies in the path of the first leaf behind it, and that path holds the step that follows too.
 */
export function recordedNode(
  tree: RolloutTree,
  branches: readonly Trajectory[],
  { groupIndex, step, node }: NodePlace,
): RecordedStep {
  const depth = step - tree.firstStep;
  const ways = at(tree.widths, depth + 1) / at(tree.widths, depth);
  const latentsOf = (child: number, place: number) => {
    const { firstStep, latents, logProbs } = at(branches, child * leavesPerNode(tree, depth + 1));
    const size = latents.length / (logProbs.length + 1);
    return latents.slice((place - firstStep) * size, (place - firstStep + 1) * size);
  };
  const children = Array.from({ length: ways }, (_, way) => node * ways + way);
  const next = children.map((branch) => ({ branch, latents: latentsOf(branch, step + 1) }));
  return { groupIndex, step, latents: latentsOf(at(children, 0), step), next };
}

/**
 * Returns the steps of a tree at which a rollout is shown under way: the first fork, or the first step where there is none, and
 * so many later ones at equal distances, as far as there are any.
 */
export function shownSteps({ firstStep, widths }: RolloutTree, later: number): number[] {
  const numSteps = firstStep + widths.length - 1;
  const fork = forkStep({ firstStep, widths });
  const count = Math.min(later, numSteps - 1 - fork);
  return [
    fork,
    ...Array.from(
      { length: count },
      (_, index) => fork + Math.round(((index + 1) * (numSteps - fork)) / (count + 1)),
    ),
  ];
}

/** Returns the step before which branches part first; the first step where they never share one. */
export function forkStep({ firstStep, widths }: RolloutTree): number {
  const depth = widths.findIndex((width, index) => index > 0 && width > at(widths, index - 1));
  return firstStep + Math.max(0, depth - 1);
}
