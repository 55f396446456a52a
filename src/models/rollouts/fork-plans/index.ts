/** @file The fork plans, one line each, and the tree that a plan makes. */

import { BEFORE_NOISE } from './fork-plan.js';
import { independent } from './independent.js';
import { interval } from './interval.js';
import { steps } from './steps.js';
import { trainedSteps } from './trained-steps.js';

export const FORK_PLANS = [interval, independent, steps, trainedSteps] as const;

export type ForkPlanName = (typeof FORK_PLANS)[number]['name'];

export interface ForkSettings {
  readonly forkPlan: ForkPlanName;
  readonly forkSteps: readonly number[];
  /** Continuations at every fork. */
  readonly numBranches: number;
}

/**
 * Returns how many latents of a group each sampler step starts from, before it forks, and the number of leaves last: S + 1
 * counts, each of which divides the next. A fork at step i lets `numBranches` continuations leave each latent: they share
 * one evaluation of the network and differ in their noise.
 */
export function treeWidths(
  { forkPlan, forkSteps, numBranches }: ForkSettings,
  trained: readonly number[],
  numInferenceSteps: number,
): number[] {
  const plan = FORK_PLANS.find(({ name }) => name === forkPlan) ?? interval;
  const forks = new Set(plan.forksAt({ numInferenceSteps, trainedSteps: trained, forkSteps }));
  const widths = [forks.has(BEFORE_NOISE) ? numBranches : 1];
  for (let step = 0; step < numInferenceSteps; step++) {
    const width = widths[step] ?? 1;
    widths.push(forks.has(step) ? width * numBranches : width);
  }
  return widths;
}
