import { type GuardSpec, ofEvaluations } from './guard-spec.js';

/**
 * Loss of diversity: the pictures of one prompt become alike.
 *
 *     value = 1 - diversity / diversity of the base model        on the evaluated training prompts
 *
 * Negative where they have become more diverse; none where those of the base model are all alike, or the reward gives no
 * features to measure it by.
 */
export const diversityLoss: GuardSpec = {
  description:
    'Loss of diversity: pictures of one prompt become alike. Measured at evaluations, on training prompts. Silent where the reward gives no features of pictures.',
  threshold: {
    default: 0.25,
    description: "Largest share of the base model's diversity that may be lost, in [0, 1].",
  },
  defaultAction: 'warn',
  quantity: "of the base model's diversity lost",
  nextStep: 'Train fewer rounds, lower learningRate, or choose a surrogate that penalizes the distance',
  start: ({ train: { diversity: before } }) =>
    ofEvaluations(({ train: { diversity } }) =>
      !before || diversity === null ? null : 1 - diversity / before,
    ),
};
