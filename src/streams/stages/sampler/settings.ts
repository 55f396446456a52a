import * as z from 'zod';
import { namesOf } from '../../../catalog.js';
import { integer, number, oneOf, section } from '../../../fields.js';
import { FORK_PLANS } from '../../../models/rollouts/fork-plans.js';
import { ownFields, withOwnOptions } from '../../../own-entries.js';
import { LONGEST_PROMPT } from '../../messages/prompts.js';
import { portsField, roleField } from '../spec/port-fields.js';
import { defineStage } from '../spec/stage-spec.js';

const side = () => integer(8, 16_384);

const pictureSide = (name: string) =>
  side()
    .optional()
    .describe(
      `${name} of the pictures in pixels: a multiple of what the model halves by, 64 for Stable Diffusion and 32 for SDXL (docs/models.md). Default: the size that the model was trained on. SDXL is told the size.`,
    );

export const samplerStage = defineStage({
  name: 'sampler',
  summary: 'Samples groups of rollouts that share the steps before their forks and differ after them.',
  consequences: {
    ordering: 'Groups of a batch leave together, in the order of their tickets.',
    delivery: 'A ticket that arrives twice yields the same rollouts bit for bit; the join drops the second.',
    memory:
      'Holds groupsPerBatch x numBranches x (trained steps + 1) latents, one batch of network activations, and a graph of the network for each size of pictures.',
  },
  schema: section({
    type: z.literal('sampler'),
    role: roleField('`sampler`'),
    reads: portsField('read from', ['prompts', 'requests']),
    writes: portsField('written to', ['images', 'trajectories', 'drawn']),
    numInferenceSteps: integer(2, 1000)
      .default(10)
      .describe(
        'Sampler steps of a trajectory (S). More give better images; the cost of sampling and training grows in proportion.',
      ),
    guidanceScale: number({ from: '[0', to: '100]' })
      .default(2)
      .describe(
        'Classifier-free guidance w, in sampling and training. Values up to 1 switch it off, as in diffusers, and halve the network evaluations; with larger values images follow the prompt more closely and vary less.',
      ),
    width: pictureSide('Width'),
    height: pictureSide('Height'),
    buckets: z
      .array(
        section({
          width: side().describe('Width of the pictures in pixels, as above.'),
          height: side().describe('Height of the pictures in pixels.'),
          weight: number({ from: '[0', to: '1e9]' })
            .default(1)
            .describe(
              'How often groups are given this size, in proportion to the weights of all; 0: only for prompts that ask for it.',
            ),
        }),
        { error: 'a list of sizes { width, height }' },
      )
      .min(1, { error: 'a list of 1 to 64 sizes' })
      .max(64, { error: 'a list of 1 to 64 sizes' })
      .optional()
      .describe(
        'Sizes of the pictures in place of one `width` and `height`. Each group is given one, drawn by its index and the seed, or that which its prompt asks for (docs/prompts.md). Each size has graphs of its own in sampler and trainer. Evaluations draw the first, unless they have a size.',
      ),
    negativePrompt: z
      .string({ error: 'a text' })
      .trim()
      .max(LONGEST_PROMPT, { error: `a text of at most ${LONGEST_PROMPT} characters` })
      .optional()
      .describe(
        'What guidance leads away from, in place of the empty prompt, in sampling, training and evaluation: `negative_prompt` of diffusers. A prompt may have its own (docs/prompts.md). Empty: none, as by default. Without guidance it has no effect.',
      ),
    eta: number({ from: '(0', to: '2]' })
      .default(1)
      .describe(
        'How noisy the stochastic steps are. DDIM: from near 0 to 1, which is DDPM-like and what the papers use; toward 0 branches become alike and log-probs steep. Flow matching: the noise level of the SDE, 0.7 in Flow-GRPO, 0.3 in DanceGRPO; with `cps` at most 1, 0.7 to 0.9 in published settings.',
      ),
    numBranches: integer(1, 1024)
      .default(4)
      .describe(
        'Branches of every fork (B). With one fork, also the number of rollouts in a group. More find better extremes; images and reward queries grow in proportion. 1 means no branching and needs a rule that compares no branches, such as `per-prompt`.',
      ),
    forkPlan: oneOf([...namesOf(FORK_PLANS), 'module'])
      .default('interval')
      .describe(
        `Where a group branches: ${FORK_PLANS.map(({ name, summary }) => `\`${name}\` ${summary}`).join('; ')}; \`module\` where \`forkModule\` says.`,
      ),
    forkModule: withOwnOptions(section(ownFields))
      .optional()
      .describe('Your own fork plan, exported by a JavaScript module. Only for the fork plan `module`.'),
    forkSteps: z
      .array(integer(0, 999), { error: 'a list of integers >= 0' })
      .default([])
      .describe(
        'Sampler steps before which each branch forks again, in ascending order; 0 is the noisiest. Only for the fork plan `steps`. n forks make numBranches^n rollouts.',
      ),
    stochasticSteps: oneOf(['all', 'trained', 'none'])
      .default('all')
      .describe(
        'Which steps draw noise: `all`; only the `trained` ones, so that differences between branches are due to them (MixGRPO, TempFlow-GRPO); or `none`, for surrogates that add noise to the pictures themselves and need no log-probs.',
      ),
    sde: oneOf(['flow-grpo', 'dance-grpo', 'cps'])
      .default('flow-grpo')
      .describe(
        'How a flow-matching model adds noise, with level eta: `flow-grpo` eta √(σ/(1-σ)), `dance-grpo` eta at every step; `cps` replaces a share of the noise, so that no step adds more than the network expects (arXiv 2509.05952), and draws none at the last step. Ignored by models with DDIM steps.',
      ),
    logProb: oneOf(['gaussian', 'squared-distance'])
      .default('gaussian')
      .describe(
        'What ratios compare: the log-prob of the Gaussian that a step draws from, or minus its squared distance to the mean, without variance, as flow_grpo and the programs after it do with `cps`. A clip range of one does not carry over to the other: the second is 2σ² times the first.',
      ),
    sampleFrom: oneOf(['policy', 'pretrained'])
      .default('policy')
      .describe(
        'Which model samples the pictures to train on: the newest `policy`, or always the `pretrained` model, as in supervised fine-tuning.',
      ),
    groupsPerBatch: integer(1, 100_000)
      .default(8)
      .describe(
        'Groups that are sampled as one network batch. Larger batches use the cores better and need more memory. Must divide groupsPerRound.',
      ),
    chunkSize: integer(1, 100_000)
      .optional()
      .describe(
        'Rows of one run of the network; a batch becomes as many runs as it needs, spread over `engine.threads`. By default as many as suit the processor. It must divide the rows of a batch, counting each row twice with guidance. Another value may change the last bits of results.',
      ),
    lingerMs: integer(0, 3_600_000)
      .default(200)
      .describe(
        'Milliseconds that an incomplete batch waits for more groups. Longer fills batches better if prompts trickle in; it does not change results.',
      ),
    latentsDtype: oneOf(['float32', 'float16'])
      .default('float32')
      .describe(
        'How latents are stored and sent. `float16` halves the size of their messages. Latents, including the initial noise, are rounded before the network sees them and the log-prob is computed, so ratios are still 1 before the first update.',
      ),
  }),
  reads: {
    prompts: 'prompt ticket',
    requests: 'picture request',
    schedule: 'training interval',
    policy: 'policy',
  },
  writes: { images: 'group images', trajectories: 'group trajectories', drawn: 'drawn pictures' },
});
