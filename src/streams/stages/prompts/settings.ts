import * as z from 'zod';
import { filePath, integer, number, oneOf, section, text } from '../../../fields.js';
import { portsField, roleField, topicName } from '../spec/port-fields.js';
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

const maxWaiting = integer(1, 1_000_000)
  .default(10_000)
  .describe(
    'Prompts that may wait to become groups. When it is reached, the endpoint rejects more, and prompts written to the topic stay there. Bounds memory.',
  );

const turn = {
  priority: integer(-1000, 1000)
    .default(0)
    .describe('Sources of a higher priority go first while they have prompts; a file always has.'),
  weight: number({ from: '(0', to: '1e9]' })
    .default(1)
    .describe('Among sources of one priority that have prompts, each gives in proportion to its weight.'),
};

const mergedSource = z.discriminatedUnion(
  'from',
  [
    section({
      from: z.literal('file').describe('The prompts of a file, over and over.'),
      file: filePath('the path of a prompt file', 'file')
        .optional()
        .describe('The file, in the formats of `train`. Default: that of `train`.'),
      ...turn,
    }),
    section({
      from: z
        .literal('topic')
        .describe(
          'The topic `incoming-prompts-<name>`, which anyone may write to, by the name of the source.',
        ),
      topic: topicName
        .optional()
        .describe(
          'Another topic to read, which an operator stage writes. Default: `incoming-prompts-<name>`.',
        ),
      whenEmpty: oneOf(['others', 'wait'])
        .default('others')
        .describe(
          'What happens when its turn comes and it has no prompt: `others` lets another source have the turn; `wait` holds the group, and all later ones, until a prompt comes. With `wait`, which source a group has does not depend on timing.',
        ),
      ...turn,
      maxWaiting,
      http: http.optional(),
    }),
  ],
  { error: 'a mapping' },
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
        maxWaiting,
        http: http.optional(),
      }),
      section({
        from: z
          .literal('merge')
          .describe(
            'Several sources: from which a group has its prompt is drawn by `priority` and `weight`.',
          ),
        sources: z
          .record(topicName, mergedSource, { error: 'a mapping from names to sources' })
          .refine((sources) => Object.keys(sources).length > 0 && Object.keys(sources).length <= 1000, {
            error: 'a mapping with 1 to 1000 sources',
          })
          .describe('The sources, by name.'),
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
      'At most `runAhead` groups are in flight in the whole topology, plus `maxWaiting` prompts of each topic.',
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
