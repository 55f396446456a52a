// A guard of one's own: the reward rises on training prompts, but not on held-out ones.

import { defineGuard } from 'tributary-rl';

export default defineGuard({
  create: () => ({
    threshold: 0.1,
    quantity: 'of reward gained on training prompts alone',
    nextStep: 'Train on more prompts, or stop earlier',
    start: (base) => (figures) => {
      if (figures.kind !== 'evaluation') return null;
      const train = figures.train.rewardMean - base.train.rewardMean;
      const heldOut = figures.heldOut.rewardMean - base.heldOut.rewardMean;
      return Math.max(0, train - Math.max(0, heldOut));
    },
  }),
});
