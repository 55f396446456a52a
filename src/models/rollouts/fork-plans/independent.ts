import { BEFORE_NOISE, defineForkPlan } from './fork-plan.js';

/** DDPO, DPOK, Flow-GRPO: branches are rollouts of one prompt from noise of their own. */
export const independent = defineForkPlan({
  name: 'independent',
  summary: 'rollouts of one prompt, each from noise of its own (DDPO, DPOK, Flow-GRPO)',
  forksAt: () => [BEFORE_NOISE],
});
