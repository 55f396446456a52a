import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { SMALLEST } from '../valid-config.js';

const STAGE = 'stages.mine={type: operator, module: mine.mjs, reads: prompts, writes: better}';
const READER = 'stages.sampler.reads={prompts: better}';

const lint = (test: string, overrides: readonly string[] = []) =>
  lintTopology(`${SMALLEST}tests:\n  t: ${test}\n`, 'a.yaml', { overrides: [STAGE, READER, ...overrides] });

describe('findTestFaults', () => {
  it.each([
    [
      'a stage that is not there',
      '{ stages: [mime], out: { better: "-" } }',
      'tests.t.stages[0]: expected a stage of this config, got "mime". Did you mean "mine"?',
    ],
    [
      'a stage with a network',
      '{ stages: [sampler], out: { images: "-" } }',
      'tests.t.stages[0]: expected a stage of type advantages, combine, operator, prompts, tap, got "sampler", of type sampler. Test the stages around it: what it would write can be put in.',
    ],
    [
      'a topic that comes from nowhere',
      '{ stages: [mine], out: { beter: "-" } }',
      'tests.t.out.beter: expected a topic that its stages write, got "beter". Did you mean "better"?',
    ],
    [
      'a topic that the part does not read',
      '{ stages: [mine], values: { a: { group: 0-0 } }, in: { images: a }, out: { better: "-" } }',
      'tests.t.in.images: expected a topic that its stages read, got "images". Use prompts, progress.',
    ],
    [
      'prompts that come in beside those of a file',
      '{ stages: [prompts], values: { a: { prompt: a } }, in: { incoming-prompts: a }, out: { prompts: "-" } }',
      'tests.t.in.incoming-prompts: expected a topic that its stages read, got "incoming-prompts". Use progress.',
    ],
    [
      'a letter without a value',
      '{ stages: [mine], in: { prompts: a }, out: { better: "-" } }',
      'tests.t.in.prompts: expected a value for each of its letters, got none for "a". Add it to `values`: `a: { ... }`.',
    ],
    [
      'a message without a group',
      '{ stages: [mine], values: { a: { prompt: a } }, in: { prompts: a }, out: { better: "-" } }',
      'tests.t.values.a: expected a group such as 0-3, got nothing. The topic "prompts" is given it.',
    ],
    [
      'an error that comes in',
      '{ stages: [mine], in: { prompts: "#" }, out: { better: "-" } }',
      'tests.t.in.prompts: expected messages, and perhaps their end, got an error. Topics do not err: remove the `#`.',
    ],
    [
      'counts of a stage that counts nothing',
      '{ stages: [mine], out: { better: "-" }, counts: { sampler: { passed: 1 } } }',
      'tests.t.counts.sampler: expected an operator stage of the test, got "sampler". Name it in `stages`, or remove it here.',
    ],
    [
      'a diagram that is none',
      '{ stages: [mine], out: { better: "-^-" } }',
      'tests.t.out.better: expected a marble diagram, such as `a-b 60s (cd) |`, got "-^-" (string).',
    ],
  ])('should find %s', (_, test, fault) => {
    const faults = lint(test).faults.map(({ message }) => message);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(fault);
  });

  it('should refuse a tap that reaches outside', () => {
    const copies = 'stages.copies={type: tap, reads: prompts, to: {type: file, path: a.jsonl}}';
    const { faults } = lint('{ stages: [copies], out: { dead-letters: "-" } }', [copies]);
    expect(faults.map(({ message }) => message)).toEqual([
      expect.stringContaining(
        'expected a tap whose copies go to a topic, got "copies", whose copies go to a file',
      ),
    ]);
  });

  it('should keep tests out of what runs, and out of what extends the file', () => {
    const { config, stated, tests } = lint('{ stages: [mine], out: { better: "-" } }');
    expect(Object.keys(tests ?? {})).toEqual(['t']);
    expect(config).not.toHaveProperty('tests');
    expect(stated).not.toHaveProperty('tests');
    const base = `${SMALLEST}tests:\n  t: { stages: [gone], out: { nowhere: "-" } }\n`;
    const linted = lintTopology('version: 2\nextends: base.yaml\n', 'a.yaml', { readText: () => base });
    expect(linted).toMatchObject({ faults: [], tests: {} });
  });
});
