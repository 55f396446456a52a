// An advantage rule of one's own: the best branch of a group gets 1, the worst -1, and the others are not trained on.
// A group whose rewards are all alike is left out.

import { defineAdvantageRule } from 'tributary-rl';

export default defineAdvantageRule({
  create: () => ({
    advantages: (groups) =>
      groups.map(({ rewards }) => {
        const [best, worst] = [Math.max(...rewards), Math.min(...rewards)];
        if (best === worst) return rewards.map(() => null);
        return rewards.map((reward) => (reward === best ? 1 : reward === worst ? -1 : null));
      }),
  }),
});
