import { z } from 'zod';
import { integer, number, section } from '../../../fields.js';
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
      mode: z.literal('list').describe('The listed lengths, each for an equal share of the rounds.'),
      phases: z
        .array(integer(1), { error: 'a list of integers >= 1' })
        .min(1, { error: 'a list of at least one integer' })
        .describe(
          'Trained steps, one entry a share of the run, such as [4, 8, 12, 16, 20]; no more entries than rounds.',
        ),
    }),
    section({
      type: z.literal('schedule'),
      mode: z.literal('constant').describe('The same steps throughout.'),
      steps: steps('Trained steps; numInferenceSteps trains the whole trajectory, as DDPO does'),
    }),
    section({
      type: z.literal('schedule'),
      mode: z
        .literal('sparse')
        .describe(
          'Single steps, the n-th from the image end for every listed n, one more of them after each equal share of the rounds. After iADD, which adds steps in the course of a run, but evenly over the trajectory and several at a time.',
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
          "MixGRPO's schedule: some steps in a row, which start at the noisiest one, move on toward the image and begin anew: the direction opposite to B²-DiffuRL's.",
        ),
      length: steps('Trained steps at a time'),
      everyRounds: integer(1, 100_000)
        .default(1)
        .describe('Rounds after which the window moves on by one step.'),
    }),
    section({
      type: z.literal('schedule'),
      mode: z
        .literal('fraction')
        .describe(
          "Flow-GRPO's schedule: the first floor(timestepFraction numInferenceSteps) sampler steps, counted from the noise, throughout. The steps nearest to the image are sampled alike and never trained.",
        ),
      timestepFraction: number({ from: '(0', to: '1]' }).describe(
        'Share of the sampler steps that are trained, rounded down to whole steps: 0.99 trains all but the last one, for up to 100 steps.',
      ),
    }),
  ],
  { error: 'a mapping' },
);

export const scheduleStage = defineStage({
  name: 'schedule',
  summary:
    'Says for each round which sampler steps are trained; the first of them is where B²-DiffuRL branches.',
  consequences: {
    ordering: 'One interval a round, in order.',
    delivery: 'Broadcast: readers see the newest interval, late readers too.',
    memory: 'One interval.',
  },
  schema: modes,
  reads: { progress: 'progress', control: 'control' },
  writes: { schedule: 'training interval' },
});
