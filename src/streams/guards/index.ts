/** @file The guards against known failures of training, by their names in a config. A new one is an entry here. */

import { type GuardSpec, ofEvaluations, ofRounds } from './guard-spec.js';

export const GUARDS = {
  /**
   * Reward collapse: the mean reward of a round lies far below the best one so far.
   *
   *     value(k) = (max over j <= k of rewardMean(j) - rewardMean(k)) / rewardStd(first)
   *
   * `first` is the first round whose rewards differ at all; until then there is no unit to measure in, and no value. A round
   * whose groups were all lost has none either.
   */
  rewardCollapse: {
    description:
      'Reward collapse: the mean reward of a round lies far below the best round so far. Training has destroyed what it had learned.',
    threshold: {
      default: 1,
      description:
        'Largest fall of the mean reward below its best, in standard deviations of the rewards of the first round. Rounds with few groups fluctuate more.',
    },
    defaultAction: 'warn',
    quantity: "standard deviations of the first round's rewards below the best round",
    nextStep: 'Lower learningRate, or train fewer rounds',
    start: () => {
      let best = Number.NEGATIVE_INFINITY;
      let unit: number | null = null;
      return ofRounds(({ rewardMean, rewardStd }) => {
        unit ??= rewardStd || null;
        if (rewardMean === null) return null;
        best = Math.max(best, rewardMean);
        return unit === null ? null : (best - rewardMean) / unit;
      });
    },
  },

  /**
   * Ratio drift: within a round, the updates move far from the policy that sampled.
   *
   *     value = mean of |ratio - 1| over the trained rows (sample, step) of the round
   *
   * Rows that are trained before the first update have a ratio of 1 up to rounding, and count like the others. 0 where the
   * loss has no ratio.
   */
  ratioDrift: {
    description:
      'Ratio drift: the updates of a round move far from the policy that sampled, so its samples say little about the policy being trained.',
    threshold: {
      default: 0.05,
      description: 'Largest mean of |ratio - 1| over the trained samples and steps of a round (no unit).',
    },
    defaultAction: 'warn',
    quantity: 'for the mean of |ratio - 1|',
    nextStep: 'Lower learningRate or innerEpochs, or sample more often',
    start: () => ofRounds(({ meanRatioDeviation }) => meanRatioDeviation),
  },

  /**
   * Distance to the pretrained model.
   *
   *     value = mean over the trained rows (sample, step) of KL(policy step || step of the pretrained model)
   *
   * in nats a sampler step, summed over the dimensions of the latent; exact, because both steps are normals of one variance.
   * No value where the training graph does not measure it.
   */
  klToPretrained: {
    description:
      'KL to the pretrained model: the policy has drifted far from its origin. Unless the action is off, every trained sample and step costs a forward pass of the pretrained model.',
    threshold: {
      default: 10,
      description:
        'Largest mean KL of one sampler step to that of the pretrained model, in nats, summed over the latent; it grows with the size of the latent.',
    },
    defaultAction: 'off',
    quantity: 'nats a step to the pretrained model',
    nextStep: 'Lower learningRate, train fewer rounds, or choose a surrogate that penalizes the distance',
    start: () => ofRounds(({ klToPretrained: kl }) => kl),
  },

  /**
   * Zero-spread groups: all branches of a group have one reward, so the group teaches nothing.
   *
   *     value = zeroSpreadGroups / groups
   *
   * of one round; none where every group was lost. Groups of one branch have no spread to lose, and are not counted.
   */
  zeroSpreadGroups: {
    description:
      'Zero-spread groups: all branches of a group have the same reward, so nothing is learned from it.',
    threshold: {
      default: 0.9,
      description:
        'Largest share of the groups of a round without spread, in [0, 1]. With 1 there is never an alarm.',
    },
    defaultAction: 'warn',
    quantity: 'of the groups without spread',
    nextStep: 'Train more steps, so that branches differ, take harder prompts, or a finer reward',
    start: () => ofRounds(({ zeroSpreadGroups: count, groups }) => (groups === 0 ? null : count / groups)),
  },

  /**
   * Loss of diversity: the pictures of one prompt become alike.
   *
   *     value = 1 - diversity / diversity of the base model        on the evaluated training prompts
   *
   * Negative where they have become more diverse; none where those of the base model are all alike, or the reward gives no
   * features to measure it by.
   */
  diversityLoss: {
    description:
      'Loss of diversity: pictures of one prompt become alike. Measured on training prompts at evaluations. Inactive if the reward model provides no picture features.',
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
  },

  /**
   * Reward and verifier part ways: the policy exploits the reward model.
   *
   *     value = verifiedAlignment of the base model - verifiedAlignment      where rewardMean > that of the base model
   *     value = 0                                                            elsewhere
   *
   * on held-out prompts; none without a verifier.
   */
  rewardVerifierDivergence: {
    description:
      'Reward and verifier diverge: on held-out prompts the reward is above that of the base model, but the verified alignment is below. The policy exploits the reward model. Inactive without a verifier.',
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
  },
} as const satisfies Readonly<Record<string, GuardSpec>>;

export type GuardName = keyof typeof GUARDS;

export const GUARD_NAMES = Object.keys(GUARDS) as GuardName[];
