import { z } from 'zod';
import { namesOf } from '../../../catalog.js';
import { integer, number, oneOf, section } from '../../../fields.js';
import { FORK_PLANS } from '../../../models/rollouts/fork-plans.js';
import { defineStage } from '../spec/stage-spec.js';

export const samplerStage = defineStage({
  name: 'sampler',
  summary: 'Samples groups of rollouts that share the steps before their forks and differ after them.',
  consequences: {
    ordering: 'Groups of a batch leave together, in the order of their tickets.',
    delivery: 'A ticket that comes twice yields the same rollouts bit for bit; the join drops the second.',
    memory:
      'Holds groupsPerBatch x numBranches x (trained steps + 1) latents, and one batch of network activations.',
  },
  schema: section({
    type: z.literal('sampler'),
    numInferenceSteps: integer(2, 1000)
      .default(10)
      .describe(
        'Sampler steps of a trajectory (S). More make better images and cost that much more to sample and to train.',
      ),
    guidanceScale: number({ from: '[0', to: '100]' })
      .default(2)
      .describe(
        'Classifier-free guidance w, at sampling and at training. 1 and below, 0 included, switch it off as in diffusers and halve the network evaluations; larger values follow the prompt more and vary less.',
      ),
    eta: number({ from: '(0', to: '2]' })
      .default(1)
      .describe(
        'How noisy the stochastic steps are. DDIM: share of the variance that is sampled, at most 1, which is DDPM-like and what the papers use; toward 0 the branches become alike and the log-probs steep. Flow matching: the level of the SDE, 0.7 in Flow-GRPO, 0.3 in DanceGRPO.',
      ),
    numBranches: integer(1, 1024)
      .default(4)
      .describe(
        'Branches of every fork (B). With one fork a group has as many rollouts; more find better extremes and cost as many images and reward queries. 1 means no branches, and goes with rules that compare none, such as `per-prompt`.',
      ),
    forkPlan: oneOf(namesOf(FORK_PLANS))
      .default('interval')
      .describe(
        `Where a group branches: ${FORK_PLANS.map(({ name, summary }) => `\`${name}\` ${summary}`).join('; ')}.`,
      ),
    forkSteps: z
      .array(integer(0, 999), { error: 'a list of integers >= 0' })
      .default([])
      .describe(
        'Sampler steps before which each branch forks again, 0 the noisiest, ascending; for the fork plan `steps` alone. n forks make numBranches^n rollouts.',
      ),
    stochasticSteps: oneOf(['all', 'trained', 'none'])
      .default('all')
      .describe(
        'Which steps draw noise: `all`; the `trained` ones alone, so that what differs between branches is due to them (MixGRPO, TempFlow-GRPO); or `none`, for surrogates that noise the pictures themselves and need no log-probs.',
      ),
    sde: oneOf(['flow-grpo', 'dance-grpo'])
      .default('flow-grpo')
      .describe(
        'How a flow-matching model adds noise, with level eta: `flow-grpo` eta √(σ/(1-σ)), `dance-grpo` eta at every step. Models with DDIM steps do not read it.',
      ),
    sampleFrom: oneOf(['policy', 'pretrained'])
      .default('policy')
      .describe(
        'Whose pictures are trained on: those of the newest `policy`, or always those of the `pretrained` model, as supervised fine-tuning does.',
      ),
    groupsPerBatch: integer(1, 100_000)
      .default(8)
      .describe(
        'Groups that are sampled as one network batch. Larger batches use the cores better and need more memory. Divides groupsPerRound.',
      ),
    lingerMs: integer(0, 3_600_000)
      .default(200)
      .describe(
        'Milliseconds that a batch which is not full waits for more groups. Longer fills batches better where prompts trickle in; it does not change results.',
      ),
    latentsDtype: oneOf(['float32', 'float16'])
      .default('float32')
      .describe(
        'How latents are stored and sent. `float16` halves their messages; all of them are rounded, from the first noise on, before the network sees them and before the log-prob is taken, so ratios stay 1 before the first update.',
      ),
  }),
  reads: { prompts: 'prompt ticket', schedule: 'training interval', policy: 'policy' },
  writes: { images: 'group images', trajectories: 'group trajectories' },
});
