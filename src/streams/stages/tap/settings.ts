import * as z from 'zod';
import { filePath, integer, section } from '../../../fields.js';
import { serviceUrlField } from '../../../models/rewards/services/json-service.js';
import { roleField, topicName } from '../spec/port-fields.js';
import { defineStage } from '../spec/stage-spec.js';

const target = z
  .discriminatedUnion(
    'type',
    [
      section({
        type: z.literal('file').describe('A file of JSON lines, which grows.'),
        path: filePath('the path of a file', 'made').describe('Its folder is made where there is none.'),
      }),
      section({
        type: z.literal('http').describe('An endpoint: each message is posted as JSON.'),
        url: serviceUrlField('Where to.'),
        timeoutMs: integer(1, 600_000)
          .default(10_000)
          .describe('Milliseconds that an answer may take; then the message is dropped and counted.'),
      }),
      section({
        type: z
          .literal('topic')
          .describe('Another topic, for readers outside the run: messages as they are.'),
        topic: topicName.describe('Its name.'),
      }),
    ],
    { error: 'a mapping' },
  )
  .describe(
    'Where the copies go. Numbers of pictures and latents go to topics alone: JSON says how many there are.',
  );

export const tapStage = defineStage({
  name: 'tap',
  summary: 'Copies the messages of a topic to a file, an endpoint or another topic, and never slows them.',
  consequences: {
    ordering: 'Copies leave in the order in which messages come.',
    delivery:
      'At most once: messages are answered at once, and the oldest copy that waits is dropped and counted where the target is slow or fails.',
    memory: 'At most `maxWaiting` messages.',
  },
  schema: section({
    type: z.literal('tap'),
    role: roleField('that of the stage that reads the topic'),
    reads: topicName.describe('The topic whose messages are copied.'),
    to: target,
    maxWaiting: integer(1, 1_000_000)
      .default(1000)
      .describe('Copies that may wait for the target; with more, the oldest is dropped and counted.'),
  }),
  reads: {},
  writes: {},
});
