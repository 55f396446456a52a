import { z } from 'zod';
import { integer, number } from '../../../fields.js';
import { REWARD_SOURCES } from '../../../models/rewards/index.js';
import { LARGEST_MAGNITUDE } from '../../../operators/records/reward-fault.js';
import { defineStage } from '../spec/stage-spec.js';

const maxMagnitude = number({ from: '(0', to: `${LARGEST_MAGNITUDE}]` })
  .default(LARGEST_MAGNITUDE)
  .describe(
    'Largest magnitude of a reward, whoever gives it. A larger one is taken for a fault: its group becomes a dead letter, and an evaluation leaves it out with a warning.',
  );

const oneAtATime = { maxMagnitude };
const sideBySide = (demand: string) => ({
  ...oneAtATime,
  concurrency: integer(1, 64)
    .default(1)
    .describe(`Groups that are scored at once: with more than 1 ${demand}.`),
});

const sources = REWARD_SOURCES.schema({
  before: { type: z.literal('reward') },
  after: ({ sideBySide: demand }): typeof oneAtATime | ReturnType<typeof sideBySide> =>
    demand === undefined ? oneAtATime : sideBySide(demand),
  byDefault: 'model',
});

export const rewardStage = defineStage({
  name: 'reward',
  summary: 'Scores every image of a group against its prompt.',
  consequences: {
    ordering: 'Rewards leave as they are ready; the join needs no order.',
    delivery:
      'A reward that is not finite or beyond maxMagnitude, a wrong count, or a model or service that fails makes a dead letter; it is counted and never trained on.',
    memory:
      'One batch of images and one of network activations; with a service, one request for each group at once.',
  },
  schema: sources,
  reads: { images: 'group images' },
  writes: { rewards: 'group rewards', 'dead-letters': 'dead letter', metrics: 'metric' },
});
