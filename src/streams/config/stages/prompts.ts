import { z } from 'zod';
import { integer, oneOf, section, text } from '../../../fields.js';
import { defineStage } from '../stage-spec.js';

export const promptsStage = defineStage({
  type: 'prompts',
  summary: 'Issues the prompts of a run, `groupsPerStage` a training stage, no more than `runAhead` ahead.',
  consequences: {
    ordering: 'Tickets leave in the order of their group index.',
    delivery: 'The only stage that starts work. After a restart, unfinished groups are issued again.',
    memory: 'At most `runAhead` groups are in flight anywhere in the topology.',
  },
  schema: section({
    type: z.literal('prompts'),
    train: text('the path of a prompt file').describe(
      'Prompts to train on: a text file, one prompt a line, # begins a comment line.',
    ),
    heldOut: text('the path of a prompt file').describe(
      'Prompts that are never trained on, in the same format; evaluation measures generalisation on them.',
    ),
    choice: oneOf(['uniform', 'round-robin'])
      .default('uniform')
      .describe(
        'How the prompt of a group is drawn: `uniform` with replacement as B²-DiffuRL does, so that counts vary by chance; `round-robin` gives every prompt the same count, so that per-prompt statistics fill evenly.',
      ),
    groupsPerStage: integer(1, 100_000)
      .default(32)
      .describe(
        'Groups (one prompt, numBranches branches) a training stage. More make the gradient less noisy and each stage longer.',
      ),
    numStages: integer(1, 100_000)
      .default(24)
      .describe('Training stages of the run (K in the papers). The schedule is spread over them.'),
    runAhead: integer(1, 10_000_000)
      .default(32)
      .describe(
        'Groups that may be issued and not finished. It bounds memory. groupsPerStage is the synchronous loop; each further groupsPerStage lets sampling run one training stage ahead and needs one more of maxStaleness.',
      ),
  }),
  reads: { progress: 'progress' },
  writes: { prompts: 'prompt ticket' },
});
