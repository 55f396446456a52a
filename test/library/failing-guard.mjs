/** @file A guard that throws in the second round while the test wants it to. */

import { defineGuard } from 'tributary-rl';

export default defineGuard({
  create: () => ({
    threshold: 0,
    quantity: 'rounds',
    nextStep: 'Stop',
    start: () => (figures) => {
      if (figures.kind !== 'round') return null;
      if (figures.round === 1 && process.env.TRIBUTARY_TEST_FAILS) throw new Error('no idea');
      return figures.round + 1;
    },
  }),
});
