// A fork plan of one's own: one fork, a step or more before the first that is trained, so that branches differ early.

import { defineForkPlan, integer } from 'tributary-rl';

export default defineForkPlan({
  fields: { stepsBefore: integer(0).default(1) },
  create:
    ({ stepsBefore }) =>
    ({ trainedSteps: [first] }) => [Math.max(0, first - stepsBefore)],
});
