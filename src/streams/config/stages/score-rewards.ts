import { z } from 'zod';
import { integer, section, text } from '../../../fields.js';
import { defineStage } from '../stage-spec.js';

export const scoreRewardsStage = defineStage({
  type: 'scoreRewards',
  summary: 'Scores every image of a group against its prompt.',
  consequences: {
    ordering: 'Rewards leave as they are ready; the join needs no order.',
    delivery:
      'A reward that is not finite, a wrong count or a model that fails makes a dead letter; it is counted and never trained on.',
    memory: 'One batch of images and one of network activations.',
  },
  schema: section({
    type: z.literal('scoreRewards'),
    model: text('the folder of a reward model').describe('Folder of the reward model, stored as ONNX.'),
    batchSize: integer(1, 4096)
      .default(32)
      .describe('Images that the reward model scores in one run; the last run of a batch may be smaller.'),
  }),
  reads: { images: 'group images' },
  writes: { rewards: 'group rewards', 'dead-letters': 'dead letter', metrics: 'metric' },
});
