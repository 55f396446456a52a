import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MAY_CHANGE_AT_RESUME } from '../../src/streams/directory/saved-config.js';

const sources = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && file !== 'index.ts')
    .map((file) => [file.replace('.ts', ''), readFileSync(`${folder}/${file}`, 'utf8')] as const);

/** Operators that no one outside may build on, each with the reason. */
const INTERNAL_OPERATORS: Readonly<Record<string, string>> = {
  'batch-tickets': 'the queue of branchRollouts, shared out only for its size',
};

describe('every operator', () => {
  const operators = sources('src/operators').filter(([, text]) => text.includes('OperatorFunction<'));
  const index = readFileSync('src/operators/index.ts', 'utf8');

  it.each(operators.map(([name]) => name))('should be exported and pass the common suite: %s', (name) => {
    if (!INTERNAL_OPERATORS[name]) expect(index).toContain(`export * from './${name}.js';`);
    expect(readFileSync(`test/operators/${name}.test.ts`, 'utf8')).toContain('describeOperator(');
  });
});

describe('what a resume may change', () => {
  const [, section = ''] = readFileSync('docs/operations.md', 'utf8').split('## Changes at a resume');
  const listed = [...(section.split('\nSo a')[0]?.matchAll(/^\| `([\w.]+)` \|/gm) ?? [])].map(
    ([, setting]) => setting,
  );

  it('should be listed in docs/operations.md, all of it', () => {
    expect(listed).toEqual([...MAY_CHANGE_AT_RESUME]);
  });
});

describe('every command', () => {
  const commands = sources('src/cli/commands').map(([name]) => name);

  it.each(commands)('should be added to the program and to its page: %s', (name) => {
    expect(readFileSync('src/cli/program.ts', 'utf8')).toContain(`./commands/${name}.js`);
    expect(readFileSync('docs/commands.md', 'utf8')).toMatch(
      new RegExp(`^\\| \`tributary ${name}[ \`]`, 'm'),
    );
  });
});
