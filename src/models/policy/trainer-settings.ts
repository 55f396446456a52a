/** @file The one list of a trainer's settings: the fields of its stage, and what the rest of a config decides. */

import { z } from 'zod';
import { integer, number, oneOf, section } from '../../fields.js';
import type { StochasticSettings } from '../diffusion/stochastic-steps.js';
import type { Precision } from '../graph/graph.js';
import type { LoraSettings } from '../graph/weights/lora.js';
import { SURROGATES } from '../objectives/index.js';
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
          'Passes over the selected samples of a round. More use the images better and leave the sampled policy further behind.',
        ),
      samplesPerUpdate: integer(1, 1_000_000)
        .default(32)
        .describe(
          'Samples that one optimizer step covers, each with all its trained steps. At most what a round can select.',
        ),
      remainder: oneOf(['train', 'carry', 'drop'])
        .default('train')
        .describe(
          'What becomes of samples that do not fill an optimizer step at the end of a pass: `train` makes a smaller step of them; `carry` keeps their gradients for the first step of the next pass, as the B²-DiffuRL release does, at the same weight as all others of that step and by the same policy, since no step is taken in between; `drop` leaves them out. After the last pass of a round `carry` leaves out what does not fill a step, so with both, a round that selects too few samples for one step is not trained on at all.',
        ),
    }),
    section({
      from: z
        .literal('replay')
        .describe(
          "DPOK's: random transitions (a sample's single steps) of a buffer that keeps the newest ones, of earlier rounds too, with the log-prob of the policy that made them.",
        ),
      capacity: integer(1, 10_000_000)
        .default(1000)
        .describe(
          'Transitions that the buffer keeps. More are reused more often and come from older policies; they are part of every checkpoint. With fewer than a round selects (samples times trained steps) the first groups of each round are never drawn.',
        ),
      updatesPerRound: integer(1, 10_000).default(5).describe('Optimizer steps of a round.'),
      transitionsPerUpdate: integer(1, 1_000_000)
        .default(32)
        .describe('Transitions that one optimizer step is a mean over.'),
      drawsPerUpdate: integer(1, 1_000_000)
        .default(1)
        .describe(
          'Draws that an optimizer step is made of, each of transitionsPerUpdate / drawsPerUpdate transitions, none twice in a draw. 1 draws them all at once; more draw each for itself, as DPOK draws every micro-batch, so that a step may hold a transition twice. Divides transitionsPerUpdate.',
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
      learningRate: number({ from: '(0', to: '1]' }).default(1e-4).describe("Its AdamW's step size."),
      hidden: integer(1, 65_536).default(256).describe('Width of its three hidden layers.'),
      batchSize: integer(1, 1_000_000).default(256).describe('Transitions of one batch, none twice.'),
      stepsPerRound: integer(1, 10_000)
        .default(5)
        .describe(
          'Its optimizer steps in a round. DPOK as released takes 1; a baseline that has to follow the policy quickly needs more.',
        ),
      batchesPerStep: integer(1, 10_000)
        .default(1)
        .describe(
          'Batches whose mean gradient one of its optimizer steps takes, each drawn for itself. DPOK as released averages 5.',
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
  surrogate: SURROGATES.schema()
    .prefault({ type: 'ddpo-is' })
    .describe('The loss of one trained row, with settings of its own.'),
  stepWeighting: oneOf(STEP_WEIGHTINGS)
    .default('none')
    .describe(
      'Weight of every sampler step in the loss. `none` weighs all alike, as DDPO and B²-DiffuRL do; the last steps, whose noise is small, then make up most of the gradient and drown what the others say. `variance` weighs a step by the variance σ² of its noise, `noise-aware` by σ (TempFlow-GRPO), `inverse-w` and `inverse-sqrt-w` by 1/W and 1/√W with W = (k/σ)², `drop-last` leaves out the last step (DanceGRPO). Steps below a hundredth of the heaviest trained one are left out altogether, which `variance` makes the last two of 6. A KL term in the loss is weighted alike. Surrogates that noise the pictures themselves do not read it.',
    ),
  updates: updates
    .prefault({ from: 'round' })
    .describe('What the optimizer steps of a round are trained on.'),
  minibatchSize: integer(1, 1_000_000)
    .default(32)
    .describe(
      'Rows (sample, step) of one run of the training graph; gradients are accumulated over runs. Changes memory and speed, and the result by rounding alone, whether it divides the rows of an update or not: float32 sums are taken in another order, which moved gradients by less than 1e-6 of their norm on a small model. The last run of an update is filled up with rows of weight 0, so a divisor of samplesPerUpdate x trained steps wastes nothing. Even for `d3po`.',
    ),
  gradientCheckpointing: oneOf(['off', 'blocks'])
    .default('off')
    .describe(
      "What is kept of the UNet's forward pass for its gradients. `off` keeps everything; `blocks` keeps what goes from one residual or attention block to the next and computes the rest again: about a third more time, and a fraction of the memory for activations. For large pictures. The gradients are the same.",
    ),
  lossScale: section({
    initial: number({ from: '(0', to: 'Infinity)' })
      .default(65536)
      .describe('Scale of the first update. A power of two loses nothing.'),
    growthInterval: integer(1)
      .default(2000)
      .describe('Optimizer steps in a row without a skipped one after which the scale is doubled.'),
  })
    .prefault({})
    .describe(
      'With precision float16, what the differentiated loss is multiplied by, so that small gradients do not become zero. Where a gradient is not finite the update is skipped and the scale halved. Not read with float32.',
    ),
  learningRate: number({ from: '(0', to: '1]' })
    .default(3e-4)
    .describe("AdamW's step size. Too high ends in a collapse of the reward within a few rounds."),
  learningRateSchedule: oneOf(['constant', 'linear'])
    .default('constant')
    .describe(
      'Course of the learning rate over the rounds: `constant` as in the papers, `linear` from learningRate down to 0, which lets the noise of the last updates average out.',
    ),
  loraPlusRatio: number({ from: '[1', to: 'Infinity)' })
    .default(1)
    .describe(
      'LoRA+: B of the adapter learns at learningRate, A at learningRate / loraPlusRatio. 1 treats them alike. A starts small, so a rate that suits B scrambles A with noise; 16 keeps it still.',
    ),
  samplingPolicyDecay: number({ from: '[0', to: '1)' })
    .default(0)
    .describe(
      'How much of the policy that sampled stays in the one that samples next; the rest is the trained one. 0 samples from the trained policy; DiffusionNFT samples from a slower average.',
    ),
  adamBeta1: decay("Decay of AdamW's mean of gradients.").default(0.9),
  adamBeta2: decay("Decay of AdamW's mean of squared gradients.").default(0.999),
  adamEpsilon: number({ from: '(0', to: '1)' })
    .default(1e-8)
    .describe(
      "Added to AdamW's denominator; larger values damp the steps of parameters with tiny gradients.",
    ),
  weightDecay: decay(
    'Decoupled weight decay: what fraction of learningRate pulls the adapter toward 0 at a step.',
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
  /** Rounds of the run, over which the learning rate falls. */
  readonly numRounds: number;
}

export type TrainerSettings = RunSettings & Readonly<z.output<z.ZodObject<typeof trainerFields>>>;
export type UpdateSettings = TrainerSettings['updates'];
export type ValueSettings = Extract<z.output<typeof valueField>, { readonly type: 'network' }>;
