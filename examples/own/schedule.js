// A schedule of one's own: the last half of the sampler steps in even rounds, all of them in odd ones.

import { defineSchedule } from 'tributary-rl';

export default defineSchedule({
  create:
    () =>
    ({ round, numInferenceSteps }) =>
      round % 2 === 0 ? Math.ceil(numInferenceSteps / 2) : numInferenceSteps,
});
