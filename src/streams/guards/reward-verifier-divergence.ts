import { type GuardSpec, ofEvaluations } from './guard-spec.js';

/**
 * Reward and verifier part ways: the policy exploits the reward model.
 *
 *     value = verifiedAlignment of the base model - verifiedAlignment      where rewardMean > that of the base model
 *     value = 0                                                            elsewhere
 *
 * on held-out prompts; none without a verifier.
 */
export const rewardVerifierDivergence: GuardSpec = {
  description:
    'Reward and verifier part ways: on held-out prompts the reward is above that of the base model, and the verified alignment below it. The policy exploits the reward model. Silent without a verifier.',
  threshold: {
    default: 0.05,
    description:
      "Largest fall of the verified alignment below the base model's, as a share of the pictures, in [0, 1]. The noise of an evaluation is about 0.5 / sqrt(pictures).",
  },
  defaultAction: 'warn',
  quantity: 'of the verified alignment lost while the reward rises',
  nextStep: 'Stop earlier, or train on another reward model',
  start: ({ heldOut: before }) =>
    ofEvaluations(({ heldOut }) => {
      if (before.verifiedAlignment === null || heldOut.verifiedAlignment === null) return null;
      return heldOut.rewardMean > before.rewardMean
        ? before.verifiedAlignment - heldOut.verifiedAlignment
        : 0;
    }),
};
