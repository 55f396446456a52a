import * as z from 'zod';
import { integer, matching, section, text } from '../../../fields.js';
import { topicName } from '../../stages/spec/port-fields.js';
import { readMarbles } from './marbles.js';

const diagram = text('a marble diagram').refine(isDiagram, {
  error: 'a marble diagram, such as `a-b 60s (cd) |`',
});

const diagrams = z.record(topicName, diagram, { error: 'a mapping from topics to marble diagrams' });

const count = (what: string) => integer(0).optional().describe(`Messages that ${what}. Default: any number.`);

const configTest = section({
  stages: z
    .array(text('the name of a stage'), { error: 'a list of names of stages' })
    .min(1, { error: 'a list with the name of a stage' })
    .describe(
      'The part of the topology that is tested: stages of type advantages, combine, operator, prompts, or tap.',
    ),
  groupsPerRound: integer(1)
    .optional()
    .describe('Groups of a round in this test. Default: as many as in a run.'),
  values: z
    .record(
      matching('one letter or digit', /^[a-zA-Z0-9#]$/),
      z.record(z.string(), z.unknown(), { error: 'a mapping' }),
      { error: 'a mapping from letters to messages' },
    )
    .default({})
    .describe(
      'The messages, by the letter that stands for each in the diagrams. Of one that comes out, what is said is compared, and nothing else. The value `#` says what error is expected.',
    ),
  in: diagrams
    .default({})
    .describe('Topics that the part reads, each with a marble diagram of what comes: `a 2s b-|`.'),
  out: diagrams
    .refine((topics) => Object.keys(topics).length > 0, { error: 'a mapping with at least one topic' })
    .describe(
      'Topics that the part writes, each with a marble diagram of what must come out. Nothing may come out on another one.',
    ),
  counts: z
    .record(
      text('the name of an operator stage'),
      section({
        passed: count('it passes on'),
        dropped: count('it drops'),
        failed: count('it fails at'),
      }),
      { error: 'a mapping from operator stages to counts' },
    )
    .default({})
    .describe('What operator stages must have counted at the end.'),
});

/** The tests of a config, by name. */
export const testsSchema = z
  .record(text('the name of a test'), configTest, { error: 'a mapping from names to tests' })
  .describe(
    'Tests of parts of the topology in virtual time, by name; `tributary test` runs them (docs/config-tests.md). They are of this file: what extends it does not inherit them.',
  );

export type ConfigTests = z.output<typeof testsSchema>;
export type ConfigTest = ConfigTests[string];

function isDiagram(words: string): boolean {
  try {
    readMarbles(words);
    return true;
  } catch {
    return false;
  }
}
