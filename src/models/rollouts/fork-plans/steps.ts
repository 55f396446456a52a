import { defineForkPlan } from './fork-plan.js';

/** BranchGRPO (Li et al. 2025): forks at fixed steps, such as 0, 3, 6, 9 with two branches each. */
export const steps = defineForkPlan({
  name: 'steps',
  summary: 'a fork at each of `forkSteps` (BranchGRPO: 0, 3, 6, 9 in two)',
  forksAt: ({ forkSteps }) => forkSteps,
});
