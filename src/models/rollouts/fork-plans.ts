/** @file The fork plans: where the tree of a group branches. */

import { type Entry, entryNamed } from '../../catalog.js';
import type { OwnSettings } from '../../own-entries.js';
import { BEFORE_NOISE, ownForksAt } from './own-fork-plan.js';

interface ForkPlan extends Entry {
  /**
   * Sampler steps before which every branch splits into `numBranches`, ascending; `BEFORE_NOISE` stands for a split before
   * the first latents.
   */
  readonly forksAt: (trainedSteps: readonly number[], forkSteps: readonly number[]) => readonly number[];
}

export const FORK_PLANS = [
  {
    name: 'interval',
    summary:
      "one fork at the first trained step (B²-DiffuRL's branches); if all steps are trained, only the initial noise is shared (DanceGRPO)",
    forksAt: (trainedSteps) => trainedSteps.slice(0, 1),
  },
  {
    name: 'independent',
    summary: 'rollouts of one prompt, each from its own noise (DDPO, DPOK, Flow-GRPO)',
    forksAt: () => [BEFORE_NOISE],
  },
  {
    name: 'steps',
    summary: 'a fork at each of `forkSteps` (BranchGRPO: at 0, 3, 6 and 9, with 2 branches)',
    forksAt: (_, forkSteps) => forkSteps,
  },
  {
    name: 'trained-steps',
    summary: 'a fork at every trained step (TreeGRPO, whose trained steps are a moving window)',
    forksAt: (trainedSteps) => trainedSteps,
  },
] as const satisfies readonly ForkPlan[];

type ForkPlanName = (typeof FORK_PLANS)[number]['name'];

export interface ForkSettings {
  /** `module`: the plan of `forkModule`. */
  readonly forkPlan: ForkPlanName | 'module';
  readonly forkModule?: OwnSettings | undefined;
  readonly forkSteps: readonly number[];
  /** Continuations at every fork. */
  readonly numBranches: number;
}

/**
 * Returns how many latents of a group each sampler step starts from, before it forks, and the number of leaves last: S + 1
 * counts, each of which divides the next. At a fork, `numBranches` continuations leave each latent: they share one
 * evaluation of the network and differ in their noise.
 */
export function treeWidths(
  { forkPlan, forkModule, forkSteps, numBranches }: ForkSettings,
  trainedSteps: readonly number[],
  numInferenceSteps: number,
): number[] {
  const planned = (name: ForkPlanName) => {
    const plan: ForkPlan = entryNamed(FORK_PLANS, name);
    return plan.forksAt(trainedSteps, forkSteps);
  };
  const forks = new Set(
    forkPlan === 'module' ? ownForksAt(forkModule, { trainedSteps, numInferenceSteps }) : planned(forkPlan),
  );
  let width = forks.has(BEFORE_NOISE) ? numBranches : 1;
  const widths = [width];
  for (let step = 0; step < numInferenceSteps; step++) {
    if (forks.has(step)) width *= numBranches;
    widths.push(width);
  }
  return widths;
}
