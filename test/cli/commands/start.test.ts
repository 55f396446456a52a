import { execFileSync, spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { callCli } from '../call-cli.js';

describe('tributary presets', () => {
  it('should list each preset with a sentence, and nothing that is none', async () => {
    const { code, stdout } = await callCli(['presets']);
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toMatch(
      /^tributary:demo +The demo: B²-DiffuRL on the small `shapes` model, tuned to learn /,
    );
    expect(lines.length).toBeGreaterThan(40);
    expect(lines.filter((line) => !/^tributary:\S+ +\S+ \S+/.test(line))).toEqual([]);
    expect(stdout).not.toMatch(/pretrain-shapes|study-shapes/);
  });
});

describe('tributary init', () => {
  it('should write a config and prompts that have no fault, and overwrite neither', async () => {
    const cwd = await temporaryFolder();
    const { code, stdout, stderr } = await callCli(['init'], { cwd });
    expect([code, stdout]).toEqual([0, 'mine.yaml\nprompts.txt\n']);
    expect(stderr).toBe('go on with: npx tributary train mine.yaml --quick\n');
    const linted = await callCli(['lint', 'mine.yaml'], { cwd });
    expect(linted).toMatchObject({ code: 0, stdout: expect.stringContaining('72 from prompts.txt') });
    const again = await callCli(['init'], { cwd });
    expect([again.code, again.stderr]).toEqual([
      2,
      'error: mine.yaml: expected no such file, got one. Move it away, or work elsewhere.\n',
    ]);
  });

  it('should name what a preset needs and the package does not bring', async () => {
    const cwd = await temporaryFolder();
    const { stderr: next } = await callCli(['init', 'sd15-dpok'], { cwd });
    expect(next).toBe('go on with: npx tributary lint mine.yaml, which names the files to bring\n');
    const text = await readFile(join(cwd, 'mine.yaml'), 'utf8');
    expect(text).toMatch(/# The package does not bring this: .*\n +pipeline: stable-diffusion-v1-5\n/);
    expect((await callCli(['lint', 'mine.yaml', '--no-files'], { cwd })).code).toBe(0);
    const { stderr } = await callCli(['lint', 'mine.yaml'], { cwd });
    expect(stderr).toContain('got ENOENT at stable-diffusion-v1-5.');
    const { code, stderr: unknown } = await callCli(['init', 'sd15-dpk'], { cwd });
    expect([code, unknown]).toEqual([2, expect.stringContaining('Did you mean "tributary:sd15-dpok"?')]);
  });
});

describe('tributary completion', () => {
  const run = (shell: string, script: string, ...words: string[]) =>
    execFileSync(shell, ['-c', script, shell, 'tributary', ...words], { encoding: 'utf8' }).trim();
  const hasZsh = spawnSync('zsh', ['-c', '']).status === 0;

  it('should complete commands, options and the words of an option in bash, and else files', async () => {
    const { stdout } = await callCli(['completion', 'bash']);
    const completed = (...words: string[]) =>
      run(
        'bash',
        `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _tributary; echo "\${COMPREPLY[*]}"`,
        ...words,
      );
    expect(completed('tr')).toBe('train train-pairs');
    expect(completed('train', '--r')).toBe('--run-dir --resume');
    expect(completed('train', '--log', 'j')).toBe('json');
    expect(completed('dead-letters', '')).toBe('list show replay');
    // Without a word of its own, bash goes on to the files.
    expect(completed('train', '')).toBe('');
    expect(stdout).toContain('complete -o default -F _tributary tributary');
  });

  it.skipIf(!hasZsh)(
    'should offer the same in zsh, also the first time where it is loaded late',
    async () => {
      const { stdout } = await callCli(['completion', 'zsh']);
      const folder = await temporaryFolder();
      await writeFile(join(folder, '_tributary'), stdout);
      const shown = 'compadd() { shift; print -r -- "$@"; (($#)) }; _files() { print files }';
      const typed = 'words=("$@"); CURRENT=$#; _tributary';
      const late = `fpath=(${folder} $fpath); autoload -Uz _tributary`;
      for (const load of [`compdef() { :; }; source ${folder}/_tributary`, late]) {
        const offered = (...words: string[]) => run('zsh', `${load}; ${shown}; ${typed}`, ...words);
        expect(offered('')).toMatch(/^demo train train-pairs run .* completion$/);
        expect(offered('train', '--r')).toMatch(/^--set --run-dir --resume .*--help$/);
        expect(offered('train', '--log', '')).toBe('text json');
        expect(offered('completion', '')).toBe('bash zsh');
        expect(offered('train', '')).toBe('files');
      }
    },
  );

  it('should refuse another shell', async () => {
    expect((await callCli(['completion', 'fish'])).code).toBe(2);
  });
});

describe('tributary studio', () => {
  it('should refuse a config that nobody can ask for pictures, before anything is written', async () => {
    const cwd = await temporaryFolder();
    const { code, stderr } = await callCli(['studio', 'tributary:demo'], { cwd });
    expect([code, stderr]).toEqual([
      2,
      'error: tributary:demo: expected a stage of type gateway, got none. Add one as config/studio.yaml has it, or train this config with `tributary train`.\n',
    ]);
    expect(await readdir(cwd)).toEqual([]);
  });

  it('should hand the address over to the gateway of the config', async () => {
    const cwd = await temporaryFolder();
    const { code, stderr } = await callCli(['studio', '--host', '', '--port', '8081'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain('stages.gateway.http.host');
  });
});
