/** @file The guards against known failures of training, by their names in a config. A new one is an entry here. */

import { PICTURE_STATISTICS } from '../../models/images/picture-statistics.js';
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

  /**
   * Gold falls while the trained reward rises: the overoptimization of Gao, Schulman and Hilton (2022).
   *
   *     value = max over gold rewards g of (peak(g) - mean(g)) / std(g) of the base model     on held-out prompts
   *
   * `peak(g)` is the highest mean so far, that of the base model among them; g counts where the trained reward is above that at
   * the peak, and the base model's pictures differ in it. 0 where none falls; none without gold rewards.
   */
  goldFall: {
    description:
      'Gold falls: on held-out prompts a reward of evaluation.gold has fallen below its best while the trained reward has risen since. The policy exploits the trained reward. Inactive without gold rewards.',
    threshold: {
      default: 0.25,
      description:
        "Largest fall of a gold reward below its best, in standard deviations of that reward over the base model's pictures. The noise of an evaluation is about 1 / sqrt(pictures).",
    },
    defaultAction: 'warn',
    quantity: 'standard deviations of a gold reward lost while the trained reward rises',
    nextStep: 'Stop earlier, lower learningRate, or train on a combination with another reward',
    start: ({ heldOut: base }) => {
      const units = Object.entries(base.gold ?? {}).filter(([, { std }]) => std > 0);
      const peaks = new Map(units.map(([name, { mean }]) => [name, { gold: mean, reward: base.rewardMean }]));
      return ofEvaluations(({ heldOut: { gold = {}, rewardMean } }) => {
        const falls = units.flatMap(([name, { std }]) => {
          const [now, peak] = [gold[name]?.mean, peaks.get(name)];
          if (now === undefined || peak === undefined) return [];
          if (now > peak.gold) peaks.set(name, { gold: now, reward: rewardMean });
          return [rewardMean > peak.reward ? Math.max(0, (peak.gold - now) / std) : 0];
        });
        return falls.length === 0 ? null : Math.max(...falls);
      });
    },
  },

  /**
   * Pictures leave the band of the pretrained model's.
   *
   *     value = max over statistics s of |mean(s) - mean(s) of the base model| / std(s) of the base model
   *
   * on the evaluated training prompts, s of pictureStatistics (src/models/images/picture-statistics.ts). A statistic in which
   * all pictures of the base model agree has no unit, and does not count. No value where it is not measured.
   */
  pictureDrift: {
    description:
      "Picture drift: edges, colors, brightness or size as JPEG of the pictures leave the band of the base model's. A policy that games its reward often shows here first: flat areas, noise, one color. Measured on training prompts at evaluations; needs no model, but unless the action is off, each evaluated picture is encoded as JPEG.",
    threshold: {
      default: 2,
      description:
        "Largest distance of the mean of a statistic from the base model's, in standard deviations over the base model's pictures: half the width of the band. With 2, the alarm comes when the average picture would have been among the strangest 5 % of the base model's.",
    },
    defaultAction: 'off',
    quantity: "standard deviations from the base model's pictures",
    nextStep: 'Look at the pictures of the report; stop earlier, or train on another reward',
    start: ({ train: { pictures: base } }) =>
      ofEvaluations(({ train: { pictures } }) => {
        if (!base || !pictures) return null;
        const drifts = PICTURE_STATISTICS.filter((name) => base[name].std > 0).map(
          (name) => Math.abs(pictures[name].mean - base[name].mean) / base[name].std,
        );
        return drifts.length === 0 ? null : Math.max(...drifts);
      }),
  },
} as const satisfies Readonly<Record<string, GuardSpec>>;

export type GuardName = keyof typeof GUARDS;

export const GUARD_NAMES = Object.keys(GUARDS) as GuardName[];
