import { defineForkPlan } from './fork-plan.js';

/** B²-DiffuRL: one fork, at the first trained step. With all steps trained only the first latents are shared. */
export const interval = defineForkPlan({
  name: 'interval',
  summary:
    "one fork at the first trained step (B²-DiffuRL's branches); where all steps are trained, only the initial noise is shared (DanceGRPO)",
  forksAt: ({ trainedSteps }) => trainedSteps.slice(0, 1),
});
