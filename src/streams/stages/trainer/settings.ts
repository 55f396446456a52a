import { z } from 'zod';
import { integer, section } from '../../../fields.js';
import { trainerFields, valueField } from '../../../models/policy/trainer-settings.js';
import { defineStage } from '../spec/stage-spec.js';

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
    ...trainerFields,
    value: valueField,
    maxStaleness: integer(0, 1000)
      .default(0)
      .describe(
        'Policy versions that a group may be old when it is trained on; older ones are dropped and counted. 0 is the synchronous loop of the papers, reproducible bit for bit.',
      ),
  }),
  reads: { batches: 'round batch', control: 'control' },
  writes: { policy: 'policy', progress: 'progress' },
});
