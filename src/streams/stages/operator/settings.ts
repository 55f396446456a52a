import * as z from 'zod';
import { filePath, integer, section } from '../../../fields.js';
import { roleField, topicName } from '../spec/port-fields.js';
import { defineStage } from '../spec/stage-spec.js';

export const operatorStage = defineStage({
  name: 'operator',
  summary:
    'Sends the messages of one topic through an RxJS operator of your own, and what comes out to another topic.',
  consequences: {
    ordering: 'Messages pass one at a time, in the order in which they come.',
    delivery:
      'A message is answered once what came of it is written. One that the operator drops is answered and counted, and its group is lost; one that it throws on becomes a dead letter. After a crash messages come again, and the operator begins without its memory.',
    memory: 'One message, and whatever the operator remembers.',
  },
  schema: section({
    type: z.literal('operator'),
    role: roleField('that of the stage that reads what it writes'),
    module: filePath('the path of a JavaScript module', 'file').describe(
      'The module, an .mjs or .js file, whose default export is a function from `options` to an RxJS operator (docs/topology.md). It runs with all privileges of this program.',
    ),
    options: z
      .record(z.string(), z.unknown(), { error: 'a mapping' })
      .default({})
      .describe('Passed to the module unchanged.'),
    reads: topicName.describe('The topic whose messages the operator is given.'),
    writes: topicName.describe('The topic that its messages go to; it carries messages of the same kind.'),
    answerWithinMs: integer(0, 3_600_000)
      .default(0)
      .describe(
        'For operators that wait for something, such as an answer over HTTP: milliseconds that a message may take. With 0, an operator must answer at once, and a message that it does not emit is dropped; otherwise it emits `null` to drop a message, and one that is not answered in time becomes a dead letter.',
      ),
  }),
  reads: {},
  writes: {},
});
