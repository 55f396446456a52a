import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { WIRE_CODECS } from '../../src/streams/transport/wire/wire-codecs.js';

const PAGE = readFileSync('docs/gateway.md', 'utf8');
const EXAMPLE = readFileSync('docs/examples/vote_over_kafka.py', 'utf8');
const blocks = (language: string) =>
  Array.from(
    PAGE.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm')),
    ([, code = '']) => code,
  );
const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');
const bytes = (text: string) => new TextEncoder().encode(text);

describe('docs/gateway.md', () => {
  it('should show the example as it is', () => {
    expect(blocks('python')).toContain(EXAMPLE);
  });

  it('should show votes and rewards that a run can read', () => {
    const [votes = '', rewards = ''] = blocks('json');
    const read = linesOf(votes).map((line) => WIRE_CODECS.feedback.decodeJson(bytes(line)).judgment);
    expect(read).toEqual([
      { best: 2 },
      { ranking: [2, 0, 1, 3] },
      { ratings: [0.25, 0, 1, 0.5] },
      { none: true },
    ]);
    expect(linesOf(rewards).map((line) => WIRE_CODECS.rewards.decodeJson(bytes(line)))).toEqual([
      { groupId: '3-1', round: 3, rewards: [0.25, 0, 1, 0.5] },
    ]);
  });

  const hasPython = spawnSync('python3', ['--version']).status === 0;
  it.skipIf(!hasPython)('should show programs that Python parses (needs python3)', () => {
    const parse = 'import ast, sys; [ast.parse(code) for code in sys.stdin.read().split(chr(0))]';
    const { stderr, status } = spawnSync('python3', ['-c', parse], {
      input: blocks('python').join('\0'),
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
  });
});
