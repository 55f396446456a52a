/** @file `tributary lint` of configs that are no topology: a study, and the settings of a pretraining. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { SMALLEST } from '../../streams/config/valid-config.js';
import { STUDY } from '../../streams/study/example-study.js';
import { callCli } from '../call-cli.js';

describe('tributary lint, of a study', () => {
  it('should check the one that ships, with all presets of its rows', async () => {
    const { code, stdout, stderr } = await callCli(['lint', 'config/study-shapes.yaml']);
    expect([code, stderr]).toEqual([0, 'config/study-shapes.yaml: no faults\n']);
    expect(stdout).toMatch(/^rows +\d+\nseeds +1, 2, 3\nruns +\d+\nreward queries +[\d,]+ in \d+ runs\n/);
  });

  it('should find arms that differ in what they should share, and a row whose preset has a fault', async () => {
    const folder = await temporaryFolder();
    const study = join(folder, 'study.yaml');
    await mkdir(join(folder, 'presets'));
    await writeFile(join(folder, 'presets', 'small.yaml'), SMALLEST);
    await writeFile(study, STUDY);
    expect((await callCli(['lint', study])).stdout).toContain('1,024 in 4 runs');
    await writeFile(study, STUDY.replace('numRounds: 1,', 'numRounds: 1, stages.sampler.guidanceScale: 3,'));
    const { code, stderr } = await callCli(['lint', study]);
    expect([code, stderr]).toEqual([
      2,
      `error: ${study}:14:55 sections[0].rows[0] fast sampler.guidanceScale: expected 2 as in its baseline "plain", got 3. Give both rows the same, or name it in \`differIn\` where the comparison is about it.\n`,
    ]);
    await writeFile(study, STUDY.replace('numRounds: 1,', 'numRound: 1,'));
    const { stdout: json, stderr: faults } = await callCli(['lint', study, '--json']);
    expect(faults).toContain('Did you mean "numRounds"?');
    expect(JSON.parse(json).faults).toHaveLength(1);
  });

  it('should load the operators of its rows', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'presets'));
    await writeFile(join(folder, 'presets', 'small.yaml'), SMALLEST);
    await writeFile(join(folder, 'number.mjs'), 'export default 7;\n');
    const study = join(folder, 'study.yaml');
    const odd = '{ type: operator, module: ../number.mjs, reads: prompts, writes: odd }';
    const stages = `stages: { odd: ${odd}, sampler: { reads: { prompts: odd } } }`;
    await writeFile(
      join(folder, 'presets', 'odd.yaml'),
      `version: 2\nname: odd\nextends: small.yaml\n${stages}\n`,
    );
    await writeFile(study, STUDY.replace(/small(?=\.yaml\n.*numRounds: 1,)/, 'odd'));
    const { code, stderr } = await callCli(['lint', study]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/rows.fast: .* stages.odd.module: expected a default export that is a function/),
    ]);
  });

  it('should refuse what only a topology takes', async () => {
    const { code, stderr } = await callCli(['lint', 'config/study-shapes.yaml', '--set', 'seed=3']);
    expect([code, stderr]).toEqual([
      2,
      'error: --set, --resume, --run-dir: expected a topology, got the study config/study-shapes.yaml. Leave them out; a study says under `set` what it changes.\n',
    ]);
  });
});

describe('tributary lint, of a pretraining', () => {
  it('should check the one that ships, and say each fault of another', async () => {
    const ships = 'config/pretrain-shapes.yaml';
    expect(await callCli(['lint', ships])).toMatchObject({ code: 0, stderr: `${ships}: no faults\n` });
    const { code, stderr } = await callCli(['lint', ships, '--set', 'seed=2']);
    expect([code, stderr]).toEqual([
      2,
      `error: --set, --resume, --run-dir: expected a topology, got the settings of a pretraining ${ships}. Leave them out; change the file.\n`,
    ]);
    const file = join(await temporaryFolder(), 'p.yaml');
    await writeFile(file, 'pipeline: here\nsed: 1\n');
    const faulty = await callCli(['lint', file]);
    expect([faulty.code, faulty.stderr]).toEqual([2, expect.stringContaining('Did you mean "seed"?')]);
    expect(faulty.stderr).not.toContain('version');
  });

  it.each([
    ['train config/pretrain-shapes.yaml', 'a topology', 'the settings of a pretraining', 'pretrain'],
    ['graph config/study-shapes.yaml', 'a topology', 'a study', 'study'],
    ['test config/study-shapes.yaml', 'a topology', 'a study', 'study'],
    ['study config/demo.yaml', 'a study', 'a topology', 'train'],
    ['pretrain config/demo.yaml', 'the settings of a pretraining', 'a topology', 'train'],
  ])(
    'should leave one fault of a command for another kind of config: %s',
    async (words, expected, got, use) => {
      const [command = '', file = ''] = words.split(' ');
      expect(await callCli([command, file])).toMatchObject({
        code: 2,
        stderr: `error: config ${file}: expected ${expected}, got ${got}. Use \`tributary ${use} ${file}\`.\n`,
      });
    },
  );
});
