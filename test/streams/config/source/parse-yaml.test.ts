import { describe, expect, it, vi } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { parseYaml } from '../../../../src/streams/config/source/parse-yaml.js';
import { SMALLEST } from '../valid-config.js';

const problemsOf = (text: string) => parseYaml(text).problems.map(({ problem }) => problem);
const messagesOf = (text: string, overrides: string[] = []) =>
  lintTopology(text, 'a.yaml', { overrides }).faults.map(({ message }) => message);
const list = (length: number, item: string) => `[${Array.from({ length }, () => item).join(', ')}]`;

describe('parseYaml', () => {
  it('should follow up to 100 aliases, and refuse more before it follows one', () => {
    expect(parseYaml(`a: &a 1\nb: ${list(99, '*a')}`).value).toEqual({ a: 1, b: Array(99).fill(1) });
    // Each alias is looked for from the start of the text: thousands of them would take minutes.
    expect(problemsOf(`a: &a 1\nb: ${list(5_000, '*a')}`)).toEqual(['more than 100 aliases']);
  });

  it('should name what its own limits refuse', () => {
    expect(problemsOf('x'.repeat(1_000_001))).toEqual(['1000001 characters, more than 1000000']);
    expect(new Set(problemsOf('['.repeat(5_000) + ']'.repeat(5_000)))).toEqual(
      new Set(['values that are nested too deep']),
    );
  });

  it('should print nothing of the text', () => {
    const warned = vi.spyOn(process, 'emitWarning');
    parseYaml('a: !unknown b');
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
  });

  it('should take a key that stands twice for a problem where it is asked to', () => {
    const text = 'a: 1\na: 2';
    expect(parseYaml(text).problems).toEqual([]);
    expect(parseYaml(text, { uniqueKeys: true }).problems).toEqual([
      { offset: 5, problem: 'Map keys must be unique' },
    ]);
  });
});

describe('lintTopology on text that is meant to take long', () => {
  it('should name the place of the first alias too many', () => {
    const [message, ...others] = messagesOf(`${SMALLEST}x: &a 1\ny: ${list(101, '*a')}\n`);
    expect(message).toMatch(
      /^a\.yaml:\d+:\d+ YAML: expected text that can be parsed, got more than 100 aliases\./,
    );
    expect(others).toEqual([]);
  });

  it('should refuse a --set whose path is deeper than any setting, and quote little of it', () => {
    const nextStep = 'Name the value by its keys, joined by dots.';
    const deep = `a${'.a'.repeat(32)}=1`;
    expect(messagesOf(SMALLEST, [deep])).toEqual([
      `--set ${deep} path: expected at most 32 keys, got a path of 65 characters. ${nextStep}`,
    ]);
    const [message] = messagesOf(SMALLEST, [`a${'.a'.repeat(20_000)}=1`]);
    expect(message).toContain(`expected at most 32 keys, got a path of 40001 characters. ${nextStep}`);
    expect(message?.length).toBeLessThan(400);
  });

  it('should name each of thousands of unknown keys', () => {
    const keys = Array.from({ length: 1_000 }, (_, index) => `k${index}: 1\n`);
    expect(messagesOf(SMALLEST + keys.join(''))).toHaveLength(1_000);
  });
});
