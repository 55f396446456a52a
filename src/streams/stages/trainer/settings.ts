import { z } from 'zod';
import { integer, number, oneOf, section } from '../../../fields.js';
import { SURROGATES } from '../../../models/objectives/index.js';
import { STEP_WEIGHTINGS } from '../../../models/objectives/step-weights.js';
import { GRADIENT_CHECKPOINTING } from '../../../models/policy/policy-graph.js';
import { defineStage } from '../spec/stage-spec.js';
import { updatesSchema, valueSchema } from './updates.js';

const decay = (meaning: string) => number({ from: '[0', to: '1)' }).describe(meaning);

export const trainerStage = defineStage({
  name: 'trainer',
  summary: 'Trains the LoRA adapter on the selected samples of a round and publishes the new policy.',
  consequences: {
    ordering: 'Rounds are trained one after another.',
    delivery: 'Rounds since the last checkpoint are trained again after a crash, from the same policy.',
    memory: 'One minibatch of activations for the backward pass, and two moments a parameter.',
  },
  schema: section({
    type: z.literal('trainer'),
    surrogate: SURROGATES.schema()
      .prefault({ type: 'ddpo-is' })
      .describe('The loss of one trained row, with settings of its own.'),
    stepWeighting: oneOf(STEP_WEIGHTINGS)
      .default('none')
      .describe(
        'Weight of every sampler step in the loss. `none` weighs all alike, as DDPO and B²-DiffuRL do; the last steps, whose noise is small, then make up most of the gradient and drown what the others say. `variance` weighs a step by the variance σ² of its noise, `noise-aware` by σ (TempFlow-GRPO), `inverse-w` and `inverse-sqrt-w` by 1/W and 1/√W with W = (k/σ)², `drop-last` leaves out the last step (DanceGRPO). Steps below a hundredth of the heaviest trained one are left out altogether, which `variance` makes the last two of 6. A KL term in the loss is weighted alike. Surrogates that noise the pictures themselves do not read it.',
      ),
    updates: updatesSchema
      .prefault({ from: 'round' })
      .describe('What the optimizer steps of a round are trained on.'),
    value: valueSchema
      .prefault({ type: 'none' })
      .describe('A learned baseline that is subtracted from the advantage of every step.'),
    minibatchSize: integer(1, 1_000_000)
      .default(32)
      .describe(
        'Rows (sample, step) of one run of the training graph; gradients are accumulated over runs. Changes memory and speed, and the result by rounding alone, whether it divides the rows of an update or not: float32 sums are taken in another order, which moved gradients by less than 1e-6 of their norm on a small model. The last run of an update is filled up with rows of weight 0, so a divisor of samplesPerUpdate x trained steps wastes nothing. Even for `d3po`.',
      ),
    gradientCheckpointing: oneOf(GRADIENT_CHECKPOINTING)
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
    maxStaleness: integer(0, 1000)
      .default(0)
      .describe(
        'Policy versions that a group may be old when it is trained on; older ones are dropped and counted. 0 is the synchronous loop of the papers, reproducible bit for bit.',
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
  }),
  reads: { batches: 'round batch', control: 'control' },
  writes: { policy: 'policy', progress: 'progress' },
});
