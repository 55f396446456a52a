import * as z from 'zod';
import { integer, section } from '../../../fields.js';
import { trainerFields, valueField } from '../../../models/policy/trainer-settings.js';
import { defineStage } from '../spec/stage-spec.js';

export const trainerStage = defineStage({
  name: 'trainer',
  summary: 'Trains the policy on the selected samples of each round and publishes the result.',
  consequences: {
    ordering: 'Rounds are trained one after another.',
    delivery: 'After a crash, rounds since the last checkpoint are trained again, from the same policy.',
    memory: 'One minibatch of activations for the backward pass, and two moments per parameter.',
  },
  schema: section({
    type: z.literal('trainer'),
    ...trainerFields,
    value: valueField,
    maxStaleness: integer(0, 1000)
      .default(0)
      .describe(
        'How many policy versions old a group may be when it is trained on; older groups are dropped and counted. 0 is the synchronous loop of the papers, reproducible bit for bit.',
      ),
  }),
  reads: { batches: 'round batch', control: 'control' },
  writes: { policy: 'policy', progress: 'progress' },
});
