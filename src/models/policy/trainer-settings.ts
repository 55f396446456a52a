/** @file The one list of a trainer's settings: the fields of its stage, and what the rest of a config decides. */

import * as z from 'zod';
import { integer, number, oneOf, section } from '../../fields.js';
import type { StochasticSettings } from '../diffusion/stochastic-steps.js';
import type { Precision } from '../graph/graph.js';
import type { LoraSettings } from '../graph/weights/lora.js';
import { surrogateSchema } from '../objectives/index.js';
import { STEP_WEIGHTINGS } from '../objectives/step-weights.js';

const decay = (meaning: string) => number({ from: '[0', to: '1)' }).describe(meaning);

const updates = z.discriminatedUnion(
  'from',
  [
    section({
      from: z
        .literal('round')
        .describe('The selected samples of the round, all of their trained steps, `innerEpochs` times.'),
      innerEpochs: integer(1, 1000)
        .default(1)
        .describe(
          'Passes over the selected samples of a round. More make better use of the images but move further from the policy that sampled them.',
        ),
      samplesPerUpdate: integer(1, 1_000_000)
        .default(32)
        .describe(
          'Samples that one optimizer step covers, each with all its trained steps. At most what a round can select.',
        ),
      remainder: oneOf(['train', 'carry', 'drop'])
        .default('train')
        .describe(
          'What happens to samples that do not fill an optimizer step at the end of a pass: `train` makes a smaller step of them; `carry` adds their gradients, with equal weight, to the first step of the next pass, as the B²-DiffuRL release does; `drop` leaves them out. After the last pass of a round `carry` drops them, too, so with both, a round that selects too few samples for one step is not trained on at all.',
        ),
    }),
    section({
      from: z
        .literal('replay')
        .describe(
          'Random transitions (single steps of samples) from a buffer that keeps the newest ones, including those of earlier rounds, with the log-prob of the policy that sampled them (DPOK).',
        ),
      capacity: integer(1, 10_000_000)
        .default(1000)
        .describe(
          'Transitions that the buffer keeps. With more, transitions are reused more often and come from older policies, and checkpoints grow. With fewer than a round selects (samples times trained steps), the first groups of each round are never drawn.',
        ),
      updatesPerRound: integer(1, 10_000).default(5).describe('Optimizer steps per round.'),
      transitionsPerUpdate: integer(1, 1_000_000)
        .default(32)
        .describe('Transitions that one optimizer step averages over.'),
      drawsPerUpdate: integer(1, 1_000_000)
        .default(1)
        .describe(
          'Draws per optimizer step, each of transitionsPerUpdate / drawsPerUpdate different transitions. 1 draws them all at once; more are independent, like the micro-batches of DPOK, so a step may contain a transition twice. Must divide transitionsPerUpdate.',
        ),
    }),
  ],
  { error: 'a mapping' },
);

const valueKinds = z.discriminatedUnion(
  'type',
  [
    section({ type: z.literal('none').describe('No learned baseline.') }),
    section({
      type: z
        .literal('network')
        .describe(
          "DPOK's value network V(x_t, c, t), trained to predict the advantage from the latents before the step. For surrogates of single steps.",
        ),
      learningRate: number({ from: '(0', to: '1]' }).default(1e-4).describe('Its AdamW learning rate.'),
      hidden: integer(1, 65_536).default(256).describe('Width of its three hidden layers.'),
      batchSize: integer(1, 1_000_000).default(256).describe('Transitions of one batch, all different.'),
      stepsPerRound: integer(1, 10_000)
        .default(5)
        .describe(
          'Its optimizer steps per round. DPOK as released takes 1; a baseline that must follow the policy quickly needs more.',
        ),
      batchesPerStep: integer(1, 10_000)
        .default(1)
        .describe(
          'Independent batches whose gradients are averaged for one of its optimizer steps. DPOK as released averages 5.',
        ),
    }),
  ],
  { error: 'a mapping' },
);

/** The setting `value`: the baseline that is subtracted from the advantage of every step. */
export const valueField = valueKinds
  .prefault({ type: 'none' })
  .describe('A learned baseline that is subtracted from the advantage of every step.');

export const trainerFields = {
  surrogate: surrogateSchema
    .prefault({ type: 'ddpo-is' })
    .describe('The loss of one trained row, with its own settings.'),
  stepWeighting: oneOf(STEP_WEIGHTINGS)
    .default('none')
    .describe(
      'Weight of every sampler step in the loss. `none` weighs all equally, as DDPO and B²-DiffuRL do; the last steps, whose noise is small, then dominate the gradient. `variance` weighs a step by the variance σ² of its noise, `noise-aware` by σ (TempFlow-GRPO), `inverse-w` and `inverse-sqrt-w` by 1/W and 1/√W with W = (k/σ)²; `drop-last` leaves out the last step (DanceGRPO). Steps with less than a hundredth of the largest weight are left out; with `variance` these are the last two of 6. A KL term in the loss is weighted the same way. Ignored by surrogates that add noise to the pictures themselves.',
    ),
  updates: updates
    .prefault({ from: 'round' })
    .describe('What the optimizer steps of a round are trained on.'),
  minibatchSize: integer(1, 1_000_000)
    .default(32)
    .describe(
      'Rows (sample, step) of one run of the training graph; gradients are accumulated over runs. Affects memory and speed; the result changes only by rounding, by less than 1e-6 of the gradient norm on a small model. The last run of an update is padded with rows of weight 0, so a divisor of samplesPerUpdate x trained steps wastes nothing. Must be even for surrogates of pairs (`d3po`, `diffusion-dpo`).',
    ),
  gradientCheckpointing: oneOf(['off', 'blocks'])
    .default('off')
    .describe(
      "Which activations of the UNet's forward pass are kept for the gradients. `off` keeps all; `blocks` keeps only those between residual and attention blocks and recomputes the rest, which takes about a third more time and a fraction of the memory. For large pictures. The gradients are the same.",
    ),
  lossScale: section({
    initial: number({ from: '(0', to: 'Infinity)' })
      .default(65536)
      .describe('Scale of the first update. A power of two loses nothing.'),
    growthInterval: integer(1)
      .default(2000)
      .describe('The scale is doubled after this many consecutive optimizer steps without a skipped one.'),
  })
    .prefault({})
    .describe(
      'With precision float16, the loss is multiplied by this scale so that small gradients do not become zero. If a gradient is not finite, the update is skipped and the scale halved. Ignored with float32.',
    ),
  learningRate: number({ from: '(0', to: '1]' })
    .default(3e-4)
    .describe("AdamW's step size. If it is too high, the reward collapses within a few rounds."),
  learningRateSchedule: oneOf(['constant', 'linear'])
    .default('constant')
    .describe(
      'How the learning rate changes over the rounds: `constant`, as in the papers, or `linear` from learningRate down to 0, which averages out the noise of the last updates.',
    ),
  learningRateFloor: number({ from: '[0', to: '1]' })
    .default(0)
    .describe(
      'Share of learningRate below which `linear` does not fall, for runs that go on after plannedRounds.',
    ),
  loraPlusRatio: number({ from: '[1', to: 'Infinity)' })
    .default(1)
    .describe(
      'LoRA+ (Hayou et al. 2024): B of the adapter learns at learningRate, A at learningRate / loraPlusRatio. 1 treats them equally. A starts small, so a rate that suits B scrambles it with noise; 16 keeps A nearly constant.',
    ),
  samplingPolicyDecay: number({ from: '[0', to: '1)' })
    .default(0)
    .describe(
      'The sampling policy is a moving average of trained policies with this decay. 0 samples from the newest policy; DiffusionNFT samples from a slower average.',
    ),
  emaDecay: number({ from: '(0', to: '1)' })
    .optional()
    .describe(
      'The policy that is evaluated and shipped is a moving average over optimizer steps with this decay, which early steps approach as in diffusers (EMAModel). Training and sampling go on with the newest parameters, which checkpoints hold beside the average (`ema.safetensors`). 0.9999 needs thousands of steps, 0.9 suits a hundred. By default the newest policy is shipped.',
    ),
  reference: oneOf(['base', 'start'])
    .optional()
    .describe(
      'What a KL, or a surrogate that compares with the pretrained model, takes for it: the `base` model, which is the default, or the adapter that the run started from (`model.startFrom`), as after supervised fine-tuning. `start` needs `startFrom`.',
    ),
  adamBeta1: decay("Decay of AdamW's mean of gradients.").default(0.9),
  adamBeta2: decay("Decay of AdamW's mean of squared gradients.").default(0.999),
  adamEpsilon: number({ from: '(0', to: '1)' })
    .default(1e-8)
    .describe(
      "Added to AdamW's denominator; larger values damp the steps of parameters with tiny gradients.",
    ),
  weightDecay: decay(
    'Decoupled weight decay: each step also multiplies the adapter by 1 - learningRate x weightDecay.',
  ).default(1e-4),
  maxGradNorm: number({ from: '(0', to: 'Infinity)' })
    .default(1)
    .describe('Gradients with a larger L2 norm, over all parameters together, are scaled down to it.'),
};

/** What the rest of a config decides for the trainer. */
interface RunSettings {
  readonly seed: number;
  /** Null where all weights of the UNet are trained. */
  readonly lora: LoraSettings | null;
  readonly guidanceScale: number;
  /** Whether the KL to the pretrained model is measured even if the surrogate does not need it. */
  readonly measureKl: boolean;
  /** How the trajectories were sampled. */
  readonly sampling: StochasticSettings;
  /** Of the UNet, forward and backward. The surrogate is always in float32. */
  readonly precision: Precision;
  /** Rounds over which the learning rate falls. */
  readonly plannedRounds: number;
}

export type TrainerSettings = RunSettings & Readonly<z.output<z.ZodObject<typeof trainerFields>>>;
export type UpdateSettings = TrainerSettings['updates'];
export type ValueSettings = Extract<z.output<typeof valueField>, { readonly type: 'network' }>;
