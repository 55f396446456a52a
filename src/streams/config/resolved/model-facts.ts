import { usesGuidance } from '../../../models/diffusion/guided-output.js';

/** What is known of a config's model, where it was read; an absent fact stands for what most models do. */
export interface ModelFacts {
  /** Leading sampler steps that draw noise under its scheduler; default all. */
  readonly noisySteps?: number | undefined;
  /** Whether its network takes the guidance scale as an input (LCM). Default: no. */
  readonly takesScale?: boolean | undefined;
}

/** How often a step runs the network for a row: twice under guidance, unless the network takes the scale. */
export const passesOf = (guidanceScale: number, { takesScale = false }: ModelFacts): 1 | 2 =>
  usesGuidance(guidanceScale) && !takesScale ? 2 : 1;
