import { describe, expect, it } from 'vitest';
import { controlTable } from '../../../src/cli/output/control-table.js';
import { UNCONTROLLED } from '../../../src/streams/messages/control-state.js';
import { listed } from '../../fixtures/listed-prompts.js';
import { callCli } from '../call-cli.js';

const PRESET = 'config/shapes-b2-branch.yaml';

describe('tributary control', () => {
  it.each([
    [['freeze'], 'transport.kind: expected one that connects processes (kafka), got in-process.'],
    [['thaw'], "value 'thaw' is invalid for argument 'command'"],
    [['freeze', '-1'], 'control freeze: expected a whole number of at least 0, got "-1".'],
    [['advance', 'x'], 'control advance: expected a whole number of at least 1, got "x".'],
    [['reset', '3'], 'control reset: expected nothing after it, got "3".'],
    [['show', '--action', 'off'], 'control show: expected --threshold and --action only with guard'],
    [['guard', 'ratioDrift', '--threshold', 'x'], 'Expected a number of at least 0.'],
    [['guard', '--action', 'off'], 'control: expected the name of a guard, got nothing.'],
    [['prompts', 'none.txt'], 'none.txt: expected a prompt file'],
  ])('should refuse %j', async (args, words) => {
    const { code, stdout, stderr } = await callCli(['control', PRESET, ...args]);
    expect(stderr).toContain(words);
    expect([code, stdout]).toEqual([words.startsWith('none.txt') ? 1 : 2, '']);
  });
});

describe('controlTable', () => {
  it('should set what is beside what was', () => {
    const is = {
      version: 3,
      learningRateScale: 0.5,
      guards: { ratioDrift: { threshold: 0.2 }, rewardCollapse: { threshold: 2, action: 'stop' as const } },
      schedule: { shift: -2, frozenAt: null },
      prompts: listed('a', 'b'),
    };
    const place = { round: 5, numRounds: 10, position: 5, numPositions: 10 };
    expect(controlTable({ states: { was: UNCONTROLLED, is }, place })).toBe(
      [
        '               was                           is',
        'version        0                             3',
        'schedule       as configured, at position 5  2 behind, at position 3',
        'learning rate  as configured                 times 0.5',
        'guards         as configured                 ratioDrift 0.2; rewardCollapse 2 stop',
        'prompts        as configured                 2 instead of the configured ones',
        'round 5 of 0 to 9 is in progress and keeps the settings it started with',
      ].join('\n'),
    );
  });
});
