import { z } from 'zod';
import { integer, oneOf, section, text } from '../../../fields.js';
import { defineStage } from '../spec/stage-spec.js';

const http = section({
  host: text('a host name or address')
    .default('127.0.0.1')
    .describe('Address that the endpoint listens on. Beyond loopback it should ask for a token.'),
  port: integer(0, 65_535).describe(
    'Port that it listens on; 0 takes any that is free, and the log names it.',
  ),
  allowHosts: z
    .array(text('a host name'), { error: 'a list of host names' })
    .optional()
    .describe(
      'Names besides localhost, `host` and addresses that requests may call the endpoint by, as behind a proxy. Default: none.',
    ),
}).describe(
  'An endpoint that takes prompts, POST /prompts, in the process with the prompts role. The environment variable TRIBUTARY_PROMPTS_TOKEN holds the bearer token that it asks for, if any.',
);

const source = z
  .discriminatedUnion(
    'from',
    [
      section({
        from: z.literal('file').describe('The prompts of `train`, over and over.'),
      }),
      section({
        from: z
          .literal('topic')
          .describe(
            'The topic incoming-prompts, which anyone may write (docs/prompts.md); each prompt is one group.',
          ),
        maxWaiting: integer(1, 1_000_000)
          .default(10_000)
          .describe(
            'Prompts that may wait to become groups: the endpoint takes no more, and what others write beyond it stays in the topic. It bounds memory.',
          ),
        http: http.optional(),
      }),
    ],
    { error: 'a mapping' },
  )
  .default({ from: 'file' })
  .describe('Where the prompts of groups come from.');

export const promptsStage = defineStage({
  name: 'prompts',
  summary: 'Issues the prompts of a run, `groupsPerRound` a round, no more than `runAhead` ahead.',
  consequences: {
    ordering: 'Tickets leave in the order of their group index.',
    delivery:
      'The only stage that starts work. After a restart it goes on behind the tickets that are in their topic; without one that lasts, unfinished groups are issued again.',
    memory:
      'At most `runAhead` groups are in flight anywhere in the topology; from a topic, `maxWaiting` prompts on top.',
  },
  schema: section({
    type: z.literal('prompts'),
    train: text('the path of a prompt file').describe(
      'Prompts to train on: plain text, one prompt a line, or .json, .jsonl, .csv, .tsv with weights and metadata (docs/prompts.md). With prompts from a topic only evaluation reads it.',
    ),
    heldOut: text('the path of a prompt file').describe(
      'Prompts that are never trained on, in any of the same formats; evaluation measures generalization on them.',
    ),
    comments: z
      .boolean({ error: 'true or false' })
      .optional()
      .describe(
        'Whether a line of plain text that begins with # is a comment; true unless it is set. With false it is a prompt. Other formats have no comments.',
      ),
    source,
    choice: oneOf(['uniform', 'round-robin'])
      .default('uniform')
      .describe(
        'How the prompt of a group is drawn from the file: `uniform` with replacement as B²-DiffuRL does, so that counts vary by chance; `round-robin` gives every prompt the same count, so that per-prompt statistics fill evenly. Where the file has weights, both draw in proportion to them.',
      ),
    groupsPerRound: integer(1, 100_000)
      .default(32)
      .describe(
        'Groups (one prompt, numBranches branches) a round. More make the gradient less noisy and each round longer.',
      ),
    numRounds: integer(1, 100_000)
      .default(24)
      .describe('Rounds of the run (K in the papers). The schedule is spread over them.'),
    runAhead: integer(1, 10_000_000)
      .default(32)
      .describe(
        'Groups that may be issued and not finished. It bounds memory. groupsPerRound is the synchronous loop; each further groupsPerRound lets sampling run one round ahead and needs one more of maxStaleness.',
      ),
  }),
  reads: { progress: 'progress', 'incoming-prompts': 'incoming prompt', control: 'control' },
  writes: { prompts: 'prompt ticket' },
});
