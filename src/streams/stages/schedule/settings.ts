import * as z from 'zod';
import { integer, number, oneOf, section } from '../../../fields.js';
import { ownFields, withOwnOptions } from '../../../own-entries.js';
import { defineStage } from '../spec/stage-spec.js';

const steps = (meaning: string) =>
  integer(1).describe(
    `${meaning}, counted from the image end: n means that the last n sampler steps are trained. At most numInferenceSteps.`,
  );

const modes = z.discriminatedUnion(
  'mode',
  [
    section({
      type: z.literal('schedule'),
      mode: z
        .literal('floor-linear')
        .describe(
          "B²-DiffuRL's schedule s(k) = first + floor(k (last - first + 1) / numRounds): training begins near the image and grows backwards toward the noise.",
        ),
      first: steps('Trained steps of the first round'),
      last: steps('Trained steps of the last round; not less than `first`'),
    }),
    section({
      type: z.literal('schedule'),
      mode: z
        .literal('list')
        .describe('The listed numbers of trained steps, each for an equal share of the rounds.'),
      phases: z
        .array(integer(1), { error: 'a list of integers >= 1' })
        .min(1, { error: 'a list of at least one integer' })
        .describe('Numbers of trained steps, such as [4, 8, 12, 16, 20]; no more entries than rounds.'),
    }),
    section({
      type: z.literal('schedule'),
      mode: z
        .literal('correlation')
        .describe(
          'Grows backward toward the noise like `floor-linear`, by one step whenever the rewards inside a group are so similar that the branches make little difference.',
        ),
      first: steps('Trained steps of the first round'),
      last: steps('Most trained steps; not less than `first`'),
      threshold: number({ from: '[-1', to: '1]' })
        .default(0.3)
        .describe(
          'Grows when the mean intra-group correlation of the rewards over the last `rounds` rounds reaches this value. At 1 the shared prefix decides the reward, at 0 the branches do.',
        ),
      rounds: integer(1, 1000)
        .default(4)
        .describe(
          'Rounds at one interval whose correlations are averaged. Rounds where it is undefined do not count.',
        ),
      mostRounds: integer(1, 100_000)
        .optional()
        .describe(
          'Rounds at one interval after which it grows whatever the correlation. By default there is no limit.',
        ),
    }),
    section({
      type: z.literal('schedule'),
      mode: z.literal('constant').describe('The same steps in every round.'),
      steps: steps('Trained steps; numInferenceSteps trains the whole trajectory, as DDPO does'),
    }),
    section({
      type: z.literal('schedule'),
      mode: z
        .literal('sparse')
        .describe(
          'Single steps, given by their position from the image end; another one is added after each equal share of the rounds. Modeled on iADD, which adds several at a time, evenly over the trajectory.',
        ),
      phases: z
        .array(integer(1), { error: 'a list of integers >= 1' })
        .min(1, { error: 'a list of at least one integer' })
        .describe('Steps counted from the image end, such as [4, 8, 12, 16]; no more entries than rounds.'),
    }),
    section({
      type: z.literal('schedule'),
      mode: z
        .literal('window')
        .describe(
          "MixGRPO's schedule: a window of consecutive steps that starts at the noisiest, moves toward the image and starts over: the opposite direction of B²-DiffuRL's.",
        ),
      length: steps('Trained steps at a time'),
      everyRounds: integer(1, 100_000).default(1).describe('Rounds after which the window moves on.'),
      from: integer(0, 999)
        .optional()
        .describe('First step that the window may have, 0 the noisiest; default 0.'),
      until: integer(1, 1000)
        .optional()
        .describe(
          'The step before which the window ends, for windows among the noisier steps alone: half of numInferenceSteps in flow_grpo (`sde_window_range`). Default: numInferenceSteps.',
        ),
      order: oneOf(['progressive', 'scattered'])
        .optional()
        .describe(
          'Where the window goes next: by one step (`progressive`, the default), or to another place as if drawn by lot, each equally often (`scattered`), as in flow_grpo and for the random windows of MixGRPO. All groups of a round have the same window.',
        ),
    }),
    section({
      type: z.literal('schedule'),
      mode: z
        .literal('fraction')
        .describe(
          "Flow-GRPO's schedule: the first floor(timestepFraction numInferenceSteps) sampler steps, counted from the noise, in every round. The steps nearest to the image are sampled the same way but never trained.",
        ),
      timestepFraction: number({ from: '(0', to: '1]' }).describe(
        'Share of the sampler steps that are trained, rounded down to whole steps: 0.99 trains all but the last one, for up to 100 steps.',
      ),
    }),
    withOwnOptions(
      section({
        type: z.literal('schedule'),
        mode: z
          .literal('module')
          .describe('Your own, exported by a JavaScript module (docs/own-modules.md).'),
        ...ownFields,
      }),
    ),
  ],
  { error: 'a mapping' },
);

export const scheduleStage = defineStage({
  name: 'schedule',
  summary: 'Determines which sampler steps each round trains; B²-DiffuRL branches at the first of them.',
  consequences: {
    ordering: 'One interval per round, in order.',
    delivery: 'Broadcast: readers see the newest interval, late readers too.',
    memory: 'One interval.',
  },
  schema: modes,
  reads: { progress: 'progress', control: 'control' },
  writes: { schedule: 'training interval' },
});
