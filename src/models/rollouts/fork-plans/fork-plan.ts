/** @file What a fork plan is: where the tree of a group branches. */

/** The steps of a rollout, as a fork plan sees them. */
export interface StepRegion {
  readonly numInferenceSteps: number;
  /** Trained sampler steps, ascending. */
  readonly trainedSteps: readonly number[];
  /** What the config lists for the plan `steps`. */
  readonly forkSteps: readonly number[];
}

/** A fork plan as a config names it. */
export interface ForkPlan<Name extends string> {
  readonly name: Name;
  /** What it does, and where it comes from. */
  readonly summary: string;
  /**
   * Sampler steps before which every branch splits into `numBranches`, ascending; -1 is before the first noise, so that
   * the branches share nothing but the prompt.
   */
  readonly forksAt: (region: StepRegion) => readonly number[];
}

/** Before the first latents: what shares nothing. */
export const BEFORE_NOISE = -1;

/** Keeps the literal name of a plan while it is checked. */
export function defineForkPlan<const Name extends string>(plan: ForkPlan<Name>): ForkPlan<Name> {
  return plan;
}
