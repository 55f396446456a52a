import { describe, expect, test } from 'vitest';
import { callCli } from '../call-cli.js';

const example = (name: string) => `config/examples/${name}.yaml`;

describe('tributary test', () => {
  test.each([
    ['two-rewards-gdpo', 'ok    each reward counts by its weight, whatever its scale\n'],
    ['model-and-people', 'ok    after a minute the model decides alone, and a late answer changes nothing\n'],
    ['filtered-prompts', 'ok    a blocked word drops the prompt, and neither stage counts it twice\n'],
  ])('should pass the tests of the example %s', async (name, line) => {
    const { code, stdout, stderr } = await callCli(['test', example(name)]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(line);
    expect(stdout).not.toContain('FAIL');
  });

  test.each([
    ['two-rewards-gdpo', 'stages.combine.parts.size.weight=1', '"0-0":[1.632887,-1.632887,'],
    [
      'model-and-people',
      'stages.combine.deadlineMs=90000',
      '+ 60002 ms  {"group":"0-0","rewards":[1,2,0,3]}',
    ],
    ['model-and-people', 'stages.combine.parts.people.missing=drop-group', '"reason":"unmatched"'],
    [
      'filtered-prompts',
      'stages.blocklist.options.words=[triangle]',
      '+ {"passed":3,"dropped":1,"failed":0}',
    ],
    ['filtered-prompts', 'stages.dedupe.options.remember=1', '+ 4 ms  {"prompt":" A red CIRCLE"}'],
  ])('should fail %s with a diff where %s', async (name, mutation, line) => {
    const { code, stdout, stderr } = await callCli(['test', example(name), '--set', mutation]);
    expect(stdout).toMatch(/^FAIL {2}/m);
    expect(stdout).toMatch(/^ {8}- /m);
    expect(stdout).toContain(line);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('expected every test to pass'),
    });
  });

  test('should say so where there is no test', async () => {
    const { code, stderr } = await callCli(['test', 'config/demo.yaml']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        'error: config config/demo.yaml: expected a block `tests`, got none. Write one, see docs/config-tests.md.\n',
    });
  });
});
