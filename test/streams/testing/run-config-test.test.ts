import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { runConfigTest } from '../../../src/streams/testing/run-config-test.js';
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
      `  + 0 ms  {"group":"0-0","round":0,"reason":"dead-letter","detail":"${fault}"}`,
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
