import { z } from 'zod';
import { filePath, integer, oneOf, section, text } from '../../../fields.js';
import { portsField, roleField } from '../spec/port-fields.js';
import { defineStage } from '../spec/stage-spec.js';

const http = section({
  host: text('a host name or address')
    .default('127.0.0.1')
    .describe('Address that the endpoint listens on. If it is not a loopback address, require a token.'),
  port: integer(0, 65_535).describe('Port that it listens on; 0 picks a free one, which the log reports.'),
  allowHosts: z
    .array(text('a host name'), { error: 'a list of host names' })
    .optional()
    .describe(
      'Further host names that requests may use, such as that of a proxy; localhost, `host` and IP addresses are always allowed. Default: none.',
    ),
}).describe(
  'An endpoint that accepts prompts (POST /prompts), in the process with the prompts role. If the environment variable TRIBUTARY_PROMPTS_TOKEN is set, requests need that bearer token.',
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
            'The topic incoming-prompts, which anyone may write to (docs/prompts.md); each prompt becomes one group.',
          ),
        maxWaiting: integer(1, 1_000_000)
          .default(10_000)
          .describe(
            'Prompts that may wait to become groups. When it is reached, the endpoint rejects more, and prompts written to the topic stay there. Bounds memory.',
          ),
        http: http.optional(),
      }),
    ],
    { error: 'a mapping' },
  )
  .default({ from: 'file' })
  .describe('Where prompts come from.');

export const promptsStage = defineStage({
  name: 'prompts',
  summary: 'Issues prompts, `groupsPerRound` per round, with at most `runAhead` groups unfinished.',
  consequences: {
    ordering: 'Tickets leave in the order of their group index.',
    delivery:
      'The only stage that starts work. After a restart it continues after the last ticket in the topic; with a transport that keeps nothing, it issues unfinished groups again.',
    memory:
      'At most `runAhead` groups are in flight in the whole topology, plus `maxWaiting` prompts from a topic.',
  },
  schema: section({
    type: z.literal('prompts'),
    role: roleField('`prompts`'),
    reads: portsField('read from', ['incoming-prompts']),
    writes: portsField('written to', ['prompts']),
    train: filePath('the path of a prompt file', 'file').describe(
      'Prompts to train on: plain text with one prompt per line, or .json, .jsonl, .csv or .tsv with weights and metadata (docs/prompts.md). If prompts come from a topic, only evaluation reads this file.',
    ),
    heldOut: filePath('the path of a prompt file', 'file').describe(
      'Prompts that are never trained on, in the same formats; evaluation uses them to measure generalization.',
    ),
    comments: z
      .boolean({ error: 'true or false' })
      .optional()
      .describe(
        'Whether lines of plain text that begin with # are comments rather than prompts. Default: true. Other formats have no comments.',
      ),
    source,
    choice: oneOf(['uniform', 'round-robin'])
      .default('uniform')
      .describe(
        'How the prompt of a group is drawn from the file: `uniform` draws with replacement, as B²-DiffuRL does, so counts vary by chance; `round-robin` uses every prompt equally often, so per-prompt statistics fill evenly. If the file has weights, both follow them.',
      ),
    groupsPerRound: integer(1, 100_000)
      .default(32)
      .describe(
        'Groups (one prompt, numBranches branches) per round. More make the gradient less noisy and each round longer.',
      ),
    numRounds: integer(1, 100_000)
      .default(24)
      .describe('Number of rounds (K in the papers). The schedule is spread over them.'),
    plannedRounds: integer(1, 100_000)
      .optional()
      .describe(
        'Rounds over which the schedule and `learningRateSchedule` are spread; later rounds keep what the last of them had. Default: numRounds; in a run that a resume lengthens or shortens, the number that it began with.',
      ),
    runAhead: integer(1, 10_000_000)
      .default(32)
      .describe(
        'Groups that may be issued but unfinished. Bounds memory. A value equal to groupsPerRound gives the synchronous loop; each additional groupsPerRound lets sampling run one more round ahead and requires maxStaleness to be one higher.',
      ),
  }),
  reads: { progress: 'progress', 'incoming-prompts': 'incoming prompt', control: 'control' },
  writes: { prompts: 'prompt ticket' },
});
