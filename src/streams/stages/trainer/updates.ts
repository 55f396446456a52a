/** @file What the optimizer steps of a round are made of: samples of the round or of a replay buffer; a baseline. */
import { z } from 'zod';
import { integer, number, oneOf, section } from '../../../fields.js';

export const updatesSchema = z.discriminatedUnion(
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

export const valueSchema = z.discriminatedUnion(
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
