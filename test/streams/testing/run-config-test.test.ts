import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { runConfigTest } from '../../../src/streams/testing/run-config-test.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { SMALLEST } from '../config/valid-config.js';

const RESTLESS = `${import.meta.dirname}/../../fixtures/operators/restless.mjs`;
const VALUES = [
  'a: { group: 0-0, prompt: a }',
  'b: { group: 0-1, prompt: b }',
  'x: { group: 0-0, prompt: a! }',
  'y: { group: 0-1, prompt: b! }',
  'l: { group: 0-0, reason: dead-letter }',
  'd: { group: 0-0, prompt: a, code: TRIB_OPERATOR }',
  '"#": { code: TRIB_OPERATOR }',
];

/** The lines of difference of a test over an operator between the prompts and the sampler. */
async function differences(test: string, options: string, answerWithinMs = 0): Promise<string[]> {
  const stage = `type: operator, module: ${RESTLESS}, options: ${options}, answerWithinMs: ${answerWithinMs}`;
  const block = `tests:\n  t: { stages: [mine], values: { ${VALUES.join(', ')} }, ${test} }\n`;
  const { config, tests, faults } = lintTopology(`${SMALLEST}${block}`, 'a.yaml', {
    overrides: [
      `stages.mine={${stage}, reads: prompts, writes: better}`,
      'stages.sampler.reads={prompts: better}',
    ],
  });
  const one = tests?.t;
  if (!config || !one) throw new Error(faults.map(({ message }) => message).join('\n'));
  return runConfigTest(config, one);
}

describe('runConfigTest', () => {
  it('should let hours pass at once, one message after another, to the end', async () => {
    const test = 'in: { prompts: ab|, progress: -| }, out: { better: 30m x 1799999ms (y|) }';
    expect(await differences(test, '{ afterMs: 1800000 }', 2_400_000)).toEqual([]);
  });

  it('should show what came at another time, not at all, and beside it', async () => {
    const test = 'in: { prompts: a--b }, out: { better: -y-y }';
    expect(await differences(test, '{}')).toEqual([
      'better',
      '  + 0 ms  {"group":"0-0","prompt":"a!"}',
      '  - 1 ms  {"group":"0-1","prompt":"b!"}',
      '    3 ms  {"group":"0-1","prompt":"b!"}',
    ]);
  });

  it('should show what comes out on a topic that the test does not name', async () => {
    const test = 'in: { prompts: ab }, out: { better: -y }, counts: { mine: { passed: 2 } }';
    const fault = 'operator mine: expected to answer, got the error \\"unheard of\\". Correct the operator.';
    expect(await differences(test, '{ throwAt: a }')).toEqual([
      'rewards',
      `  + 0 ms  {"group":"0-0","round":0,"reason":"dead-letter","detail":"${fault}","operator":"mine"}`,
      'dead-letters',
      expect.stringContaining(
        '  + 0 ms  {"group":"0-0","groupIndex":0,"round":0,"prompt":"a","origin":"prompts"',
      ),
      'counts of mine',
      '  - {"passed":2}',
      '  + {"passed":1,"dropped":0,"failed":1}',
    ]);
    const named = 'in: { prompts: ab }, out: { better: -y, rewards: l, dead-letters: d }';
    expect(await differences(named, '{ throwAt: a }')).toEqual([]);
  });

  it('should take the error of a stage for that of the part, and no less', async () => {
    expect(await differences('in: { prompts: ab }, out: { better: "#" }', '{ ends: 0 }')).toEqual([]);
    expect(await differences('in: { prompts: ab }, out: { better: xy }', '{ ends: 1 }')).toEqual([
      'better',
      '  - 0 ms  {"group":"0-0","prompt":"a!"}',
      expect.stringMatching(
        /^ {2}\+ 0 ms {2}an error {2}\{"code":"TRIB_OPERATOR","message":"operator mine: /,
      ),
      '  - 1 ms  {"group":"0-1","prompt":"b!"}',
    ]);
  });

  it('should find that a part ends, or does not', async () => {
    expect(await differences('in: { prompts: a| }, out: { better: x }', '{}')).toEqual([
      'better',
      '    0 ms  {"group":"0-0","prompt":"a!"}',
      '  + 1 ms  the end',
    ]);
    expect(await differences('in: { prompts: a }, out: { better: x| }', '{}')).toEqual([
      'better',
      '    0 ms  {"group":"0-0","prompt":"a!"}',
      '  - 1 ms  the end',
    ]);
  });
});

/** The lines of difference of a test over the prompts stage, with rounds of two groups. */
async function promptDifferences(source: string, test: string, others: string[] = []): Promise<string[]> {
  const file = join(await temporaryFolder(), 'prompts.jsonl');
  await writeFile(file, '{"prompt": "only", "tag": "file"}');
  const values = [
    ...['a', 'b'].map((letter) => `${letter}: { prompt: "${letter}" }`),
    'e: { prompt: " " }',
    'p: { round: 1 }',
    ...['0-0', '0-1', '1-0', '1-1'].map(
      (group, index) => `${index}: { group: ${group}, prompt: only, metadata: { tag: file } }`,
    ),
    'x: { group: 0-0, prompt: a, sourceId: a }',
    'y: { group: 0-1, prompt: b, sourceId: b }',
    'u: { group: 1-0, prompt: a!, sourceId: users/a }',
    'd: { prompt: " ", id: e, reason: "expected a prompt, got an empty one" }',
  ];
  const block = `tests:\n  t: { groupsPerRound: 2, values: { ${values.join(', ')} }, ${test} }\n`;
  const { config, tests, faults } = lintTopology(`${SMALLEST}${block}`, 'a.yaml', {
    overrides: [
      `stages.prompts.train=${file}`,
      `stages.prompts.heldOut=${file}`,
      `stages.prompts.source=${source}`,
      ...others,
    ],
  });
  const one = tests?.t;
  if (!config || !one) throw new Error(faults.map(({ message }) => message).join('\n'));
  return runConfigTest(config, one);
}

describe('runConfigTest, of prompts', () => {
  it('should give those of a file to groups, as fast as rounds finish', async () => {
    const test = 'stages: [prompts], in: { progress: 5ms p }, out: { prompts: (01) 1ms (23) }';
    expect(await promptDifferences('{ from: file }', test)).toEqual([]);
  });

  it('should give each of a topic to one group, and bury one that is none', async () => {
    const test =
      'stages: [prompts], in: { incoming-prompts: a-aeb }, out: { prompts: x---y, dead-letters: ---d }';
    const posted = '{ from: topic, http: { port: 1 } }';
    expect(await promptDifferences(posted, test)).toEqual([]);
    const lost = 'stages: [prompts], in: { incoming-prompts: ab }, out: { prompts: x }';
    expect(await promptDifferences(posted, lost)).toEqual([
      'prompts',
      '    0 ms  {"group":"0-0","prompt":"a","sourceId":"a"}',
      '  + 1 ms  {"group":"0-1","prompt":"b","sourceId":"b"}',
    ]);
  });

  it('should merge a file and what passes an operator', async () => {
    const source =
      '{ from: merge, sources: { users: { from: topic, priority: 1, topic: better }, own: { from: file } } }';
    const test =
      'stages: [mine, prompts], in: { incoming-prompts-users: a, progress: 5ms p }, out: { prompts: (01) 1ms (u3) }';
    const mine = `stages.mine={type: operator, module: ${RESTLESS}, reads: incoming-prompts-users, writes: better}`;
    expect(await promptDifferences(source, test, [mine])).toEqual([]);
  });
});
