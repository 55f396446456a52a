/** @file What a server says of runs, as schemas. */

import * as z from 'zod';
import { integer, oneOf, section } from '../../fields.js';
import type { Control } from '../../streams/messages/control-state.js';
import type { RunProgress } from '../../streams/messages/run-events.js';

export const runSummary = z
  .object({
    id: z.string().describe('The name of its directory.'),
    name: z.string(),
    state: z
      .enum(['waiting', 'running', 'finished', 'stopped'])
      .describe('`waiting` until it begins; `stopped` where nothing works on it and rounds are left.'),
    round: z.int().describe('Finished rounds.'),
    numRounds: z.int().describe('0 before it begins.'),
  })
  .meta({ id: 'RunSummary' });

const progressSchema = z.object({
  round: z.int(),
  numRounds: z.int(),
  trainedSteps: z.array(z.int()).readonly(),
  groupsSampled: z.int(),
  groupsPerRound: z.int(),
}) satisfies z.ZodType<RunProgress>;

const controlSchema = z.custom<Control>((value) => typeof value === 'object' && value !== null);

export const runInfo = runSummary
  .extend({
    policyVersion: z.int(),
    progress: progressSchema
      .nullable()
      .describe('How far it is inside a round; null where that is not known.'),
    feedback: z
      .object({ rule: z.string(), voters: z.int(), pictures: z.int() })
      .nullable()
      .describe('How people judge pictures; null where nobody can ask for some.'),
    examples: z.array(z.string()).describe('Prompts that the model can draw.'),
    workers: z.array(
      z.object({
        role: z.string(),
        process: z.string().optional().describe('Who has it; absent where nobody is at work in it.'),
        idleShare: z.number().optional().describe('In [0, 1].'),
        groups: z.int().optional().describe('In its last round.'),
        seenAt: z.string().optional().describe('ISO 8601.'),
      }),
    ),
    deadLetters: z
      .array(z.object({ stage: z.string(), group: z.string().optional(), reason: z.string() }))
      .describe('The newest messages that were given up since the gateway started, the newest first.'),
    control: z.object({
      canChange: z.boolean(),
      reason: z.string().optional().describe('Why it takes no commands.'),
      wanted: controlSchema.meta({ type: 'object', description: 'What operators want of the run.' }),
    }),
  })
  .meta({ id: 'RunInfo' });

export const runList = z.object({ runs: z.array(runSummary) });

export const runSamples = z
  .object({
    prompts: z.array(z.string()).describe('One a row.'),
    columns: z.int(),
    gap: z.int().describe('Pixels between the pictures of a grid, and around them.'),
    rounds: z.array(z.int()).describe('A grid for each: samples/round-<four digits>.png.'),
  })
  .meta({ id: 'RunSamples' });

export const runTrees = z.object({
  rounds: z.array(z.int()).describe('Trees of each: samples/trees-<four digits>.json and .png.'),
});

export const MOST_LINES = 1000;
const whole = (least: number, most: number) => z.string().transform(Number).pipe(integer(least, most));

export const metricsQuery = section({
  after: whole(0, Number.MAX_SAFE_INTEGER)
    .default(0)
    .describe('Lines to leave out, from the start of the log.'),
  limit: whole(1, MOST_LINES).default(MOST_LINES).describe(`At most so many lines, 1 to ${MOST_LINES}.`),
});

export const metricsPage = z.object({
  lines: z
    .array(z.looseObject({}))
    .describe('Lines of metrics.jsonl; docs/architecture.md says what they hold.'),
  next: z.int().describe('What to ask for after these, as `after`.'),
});

export const CONTROL_COMMANDS = [
  'freeze',
  'unfreeze',
  'advance',
  'rewind',
  'learning-rate-scale',
  'reset',
] as const;

export const controlRequest = section({
  command: oneOf(CONTROL_COMMANDS).describe('As `tributary control` has it.'),
  value: z
    .number({ error: 'a number' })
    .optional()
    .describe(
      'A position for `freeze`, positions for `advance` and `rewind` (default 1), a factor for the rate.',
    ),
}).meta({ id: 'ControlCommand' });

export const controlAnswer = z.object({
  wanted: controlSchema.meta({ type: 'object', description: 'What operators want of the run now.' }),
});
