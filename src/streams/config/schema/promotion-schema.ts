/** @file The section `promotion`: what a policy must show before samplers get it. */

import { integer, number, oneOf, section } from '../../../fields.js';

export const promotion = section({
  action: oneOf(['off', 'roll-back'])
    .default('off')
    .describe(
      'What happens to a policy that fails its probe. `roll-back` discards it with its optimizer state, so samplers keep the previous policy, and raises an alarm. `off` disables the probe.',
    ),
  prompts: integer(1, 4096)
    .default(8)
    .describe(
      'Held-out prompts of the probe, from the top of the list. After every round one picture of each is sampled, scored and evaluated by the trainer.',
    ),
  maxLogProbDifference: number({ from: '(0', to: 'Infinity)' })
    .default(0.01)
    .describe(
      'Largest mean of |log π(trainer) - log π(sampler)| over the trained steps of the probe. Two graphs of one model in float32 differ by about 0.00001; more means that sampler and trainer use different policies.',
    ),
  maxRewardFall: number({ from: '(0', to: 'Infinity)' })
    .default(1)
    .describe(
      "Largest fall of the mean reward of the probe below the best promoted policy, in standard deviations of the base model's rewards on it. With few prompts it fluctuates more.",
    ),
})
  .prefault({})
  .describe(
    'The gate between trainer and samplers: a fixed probe shows whether the adapter changes the pictures at all, whether trainer and sampler agree on log-probs, and whether the reward has collapsed.',
  );
