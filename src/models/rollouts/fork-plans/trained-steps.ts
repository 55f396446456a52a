import { defineForkPlan } from './fork-plan.js';

/** TreeGRPO (2025): a fork at every trained step, usually those of a moving window. */
export const trainedSteps = defineForkPlan({
  name: 'trained-steps',
  summary: 'a fork at every trained step (TreeGRPO, whose trained steps are a moving window)',
  forksAt: (region) => region.trainedSteps,
});
