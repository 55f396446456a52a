import { z } from 'zod';
import { integer, number, oneOf, section } from '../fields.js';
import { defineStage } from '../stage-spec.js';

export const branchRolloutsStage = defineStage({
  type: 'branchRollouts',
  summary: 'Samples groups of rollouts that share the steps before the branch point and differ after it.',
  consequences: {
    ordering: 'Groups of a batch leave together, in the order of their tickets.',
    delivery: 'A ticket that comes twice yields the same rollouts bit for bit; the join drops the second.',
    memory:
      'Holds groupsPerBatch x numBranches x (trained steps + 1) latents, and one batch of network activations.',
  },
  schema: section({
    type: z.literal('branchRollouts'),
    numInferenceSteps: integer(2, 1000)
      .default(10)
      .describe(
        'Sampler steps of a trajectory (S). More make better images and cost that much more to sample and to train.',
      ),
    guidanceScale: number({ from: '[0', to: '100]' })
      .default(2)
      .describe(
        'Classifier-free guidance w, at sampling and at training. 1 switches it off and halves the network evaluations; larger values follow the prompt more and vary less.',
      ),
    eta: number({ from: '(0', to: '1]' })
      .default(1)
      .describe(
        'Share of the DDIM variance that is sampled. 1 is DDPM-like and what the papers use; towards 0 the branches become alike and the log-probs steep. 0 has no log-prob and cannot be trained.',
      ),
    numBranches: integer(1, 1024)
      .default(4)
      .describe(
        'Rollouts of a group (B), from one shared prefix. More find better extremes and cost as many images and reward queries. 1 means no branches, and goes with the rule `per-prompt`.',
      ),
    groupsPerBatch: integer(1, 100_000)
      .default(8)
      .describe(
        'Groups that are sampled as one network batch. Larger batches use the cores better and need more memory. Divides groupsPerStage.',
      ),
    lingerMs: integer(0, 3_600_000)
      .default(200)
      .describe(
        'Milliseconds that a batch which is not full waits for more groups. Longer fills batches better where prompts trickle in; it does not change results.',
      ),
    latentsDtype: oneOf(['float32', 'float16'])
      .default('float32')
      .describe(
        'How latents are stored. `float16` halves their size; they are rounded before the log-prob is taken, so ratios stay 1 before the first update.',
      ),
  }),
  reads: { prompts: 'prompt ticket', schedule: 'training interval', policy: 'policy' },
  writes: { images: 'group images', trajectories: 'group trajectories' },
});
