/**
 * @file The commands of README and docs, as somebody types them in a folder of theirs that has the package. They run one after
 * another, README's first, as what one writes others read. Those under `# needs:`, and those that take long, are parsed
 * by the program, and the configs that they name are linted.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.js';
import { rolesOf } from '../../src/streams/config/graph/topology-graph.js';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { callCli } from '../cli/call-cli.js';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name))
    .sort(),
];
const textOf = (page: string) => readFileSync(join(ROOT, page), 'utf8');

interface Typed {
  readonly page: string;
  readonly line: string;
  readonly words: readonly string[];
  readonly isMarked: boolean;
}

/** Bash reads the lines, and tells what it would start: words end with U+001F, commands with U+001E. */
function read(lines: string): string[][] {
  const tell = `command_not_found_handle() { printf '%s\\x1f' "$@"; printf '\\x1e'; }`;
  const told = execFileSync('/bin/bash', ['--norc', '-e', '-c', `${tell}\n${lines}`], {
    env: { PATH: '/nowhere' },
    encoding: 'utf8',
  });
  return told
    .split('\x1e')
    .slice(0, -1)
    .map((command) => command.split('\x1f').slice(0, -1));
}

function commandsOf(page: string): Typed[] {
  const blocks = Array.from(textOf(page).matchAll(/^```sh\n([\s\S]*?)^```/gm), ([, block = '']) => block);
  return blocks
    .flatMap((block) => block.split('\n\n'))
    .flatMap((lines) => {
      const isMarked = lines.startsWith('# needs: ');
      return read(lines).map((words) => ({ page, line: words.join(' '), words, isMarked }));
    });
}

/** Commands that take minutes, or serve until they are stopped. */
const TAKES_LONG = ['train', 'run', 'study', 'pretrain', 'dashboard', 'studio'];

const everyCommand = (command: Command): Command[] => [command, ...command.commands.flatMap(everyCommand)];

/** Reads words as the program does, and does nothing; throws what is wrong. */
async function parse(words: readonly string[]): Promise<Command> {
  const program = createProgram();
  const found: Command[] = [];
  for (const one of everyCommand(program)) {
    one.configureOutput({ writeErr: () => {} });
    if (one !== program) one.action((...args) => void found.push(args.at(-1)));
  }
  await program.parseAsync(words, { from: 'user' });
  return found[0] ?? program;
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-test-'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(ROOT, join(folder, 'node_modules/tributary-rl'));
});

afterAll(() => rm(folder, { recursive: true }));

async function call(words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await callCli(words, { cwd: folder });
  expect(code, stderr).toBe(0);
  return stdout;
}

async function walk([program, ...words]: readonly string[], isMarked: boolean): Promise<void> {
  if (program !== 'tributary') throw new Error(`expected the program tributary after npx, got ${program}`);
  const command = await parse(words);
  if (!isMarked && !TAKES_LONG.includes(command.name()))
    await call(command.name() === 'demo' ? [...words, '--quick', '--run-dir', 'runs/demo'] : words);
  else if (command.registeredArguments[0]?.name() === 'config')
    await lint(command.processedArgs[0], command.opts());
}

interface ConfigOptions {
  readonly set?: readonly string[];
  readonly roles?: readonly string[] | 'all';
}

async function lint(config: string, { set = [], roles = 'all' }: ConfigOptions): Promise<void> {
  const linted = await call(['lint', config, '--json', ...set.flatMap((text) => ['--set', text])]);
  const { config: loaded } = JSON.parse(linted) as { readonly config: ResolvedConfig };
  if (roles !== 'all') expect(rolesOf(loaded)).toEqual(expect.arrayContaining([...roles]));
}

interface Manifest {
  readonly name: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}
const own = JSON.parse(textOf('package.json')) as Manifest;
const versions = { ...own.devDependencies, ...own.optionalDependencies };

/** What npm is asked for must be known here: a script, this package, or one that it can use, in the version that was tested. */
function checkNpm([command = '', ...words]: readonly string[]): void {
  const names = words.filter((word) => !word.startsWith('-'));
  if (command === 'run') expect(Object.keys(own.scripts)).toContain(names[0]);
  else if (command === 'install' || command === 'rebuild')
    for (const name of names) {
      const [, plain = '', version] = /^(.+?)(?:@(.+))?$/.exec(name) ?? [];
      expect([own.name, ...Object.keys(versions)]).toContain(plain);
      if (version) expect(versions[plain]).toBe(`^${version}`);
    }
  else expect(['ci', 'test']).toContain(command);
}

async function check({ words: [program = '', ...words], isMarked }: Typed): Promise<void> {
  if (program === 'npx') return walk(words, isMarked);
  if (program === 'npm') return checkNpm(words);
  // Nothing else is in everybody's folder.
  expect(isMarked, 'a line `# needs: ...` above').toBe(true);
  if (program === 'node') expect(existsSync(join(ROOT, words[0] ?? '')), words[0]).toBe(true);
  else if (program.startsWith('python') && words[0] === '-m') expect(words[1]).toBe('grpc_tools.protoc');
  else if (program.startsWith('python'))
    expect(existsSync(join(folder, words[0] ?? '')), words[0]).toBe(true);
  else expect(['curl', 'pip']).toContain(program);
}

describe('a command of the docs', () => {
  const commands = PAGES.flatMap(commandsOf);

  it.each(commands.map((typed) => [typed.line, typed.page, typed] as const))(
    'should run as it is printed: %s (%s)',
    (_line, _page, typed) => check(typed),
  );

  it.each([
    'train',
    'demo --fast',
    'lint a.yaml b.yaml',
    'trian a.yaml',
    'train tributary:nothing',
    'run tributary:demo --roles sampling',
  ])('should not pass where it is wrong: %s', async (line) => {
    await expect(walk(['tributary', ...line.split(' ')], true)).rejects.toThrow();
  });
});

describe('a page', () => {
  const flagsOf = (command: Command) =>
    everyCommand(command).flatMap(({ options }) => options.map(({ long }) => long));
  const find = (name: string) => createProgram().commands.find((command) => command.name() === name);
  const flagsIn = (text: string) => Array.from(text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g), ([flag]) => flag);
  const MENTIONED = /`tributary ([a-z-]+)([^`]*)`/g;

  it.each(PAGES)('should mention only commands and options that are there: %s', (page) => {
    for (const [mention, name = '', rest = ''] of textOf(page).matchAll(MENTIONED)) {
      const command = find(name);
      expect(command, mention).toBeDefined();
      if (command)
        expect([...flagsOf(command), '--help'], mention).toEqual(expect.arrayContaining(flagsIn(rest)));
    }
  });

  it.each(PAGES)('should have its commands in blocks of sh: %s', (page) => {
    const others = [...textOf(page).matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].filter(
      ([, language]) => language !== 'sh',
    );
    for (const [block] of others)
      expect(block).not.toMatch(/^\s*(?:\$ )?(?:npx|npm|tributary|node|pip|python3?|curl|docker) /m);
  });

  it('should give each command its own options in docs/commands.md', () => {
    const rows = [...textOf('docs/commands.md').matchAll(/^\| `tributary ([a-z-]+)(.*)$/gm)];
    expect(rows.length).toBe(createProgram().commands.length);
    for (const [row, name = '', rest = ''] of rows) {
      const command = find(name);
      if (command) expect(flagsOf(command), row).toEqual(expect.arrayContaining(flagsIn(rest)));
    }
  });
});
