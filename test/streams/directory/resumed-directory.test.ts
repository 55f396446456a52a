import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import { newestConfigPath, savedForm } from '../../../src/streams/directory/saved-config.js';
import { alarm, evaluation, roundMetrics } from '../example-metrics.js';
import { configWith, here, killedRun, lines, open, useFolders } from './run-in-folder.js';

useFolders();

describe('openRunDirectory, a run to resume', () => {
  test('should read the newest checkpoint', async () => {
    await killedRun();
    const { checkpoint, elapsedSeconds } = await open({ resume: true });
    expect(checkpoint?.completeRounds).toBe(3);
    expect(checkpoint?.files.get('w.bin')).toEqual(Uint8Array.of(2));
    expect([...(checkpoint?.files.keys() ?? [])]).toEqual(['state.json', 'w.bin']);
    expect(elapsedSeconds).toBe(30);
    expect(here.warnings).toEqual([]);
  });

  const damages: [string, string, (checkpoint: string) => Promise<unknown>][] = [
    ['truncated', 'one whose w.bin has another checksum', (at) => truncate(join(at, 'w.bin'), 0)],
    ['half there', 'one without state.json', (at) => rm(join(at, 'state.json'))],
    ['without manifest', 'one without manifest.json', (at) => rm(join(at, 'manifest.json'))],
    [
      'cut in its manifest',
      'a manifest.json that does not parse',
      (at) => truncate(join(at, 'manifest.json'), 9),
    ],
  ];
  test.each(damages)('should skip a checkpoint that is %s, with a warning', async (_, damage, spoil) => {
    await killedRun();
    const damaged = join(here.path, 'checkpoints', '3');
    await spoil(damaged);
    const { checkpoint, history } = await open({ resume: true });
    expect(checkpoint?.completeRounds).toBe(2);
    expect(here.warnings).toEqual([`${damaged}: expected a whole checkpoint, got ${damage}. It is skipped.`]);
    expect(history.map(({ kind, round }) => [kind, round])).toEqual([
      ['evaluation', 0],
      ['round', 0],
      ['round', 1],
    ]);
    expect(await lines()).toEqual(history);
  });

  test('should cut off alarms that will be raised again', async () => {
    await killedRun();
    const run = await open({ resume: true });
    for (const complete of [1, 3, 4]) await run.recordAlarm(alarm(complete));
    const { history } = await open({ resume: true });
    const alarms = history.filter(({ kind }) => kind === 'alarm');
    expect(alarms.map(({ round }) => round)).toEqual([1, 3]);
  });

  test('should ignore the temporary folder of a crash', async () => {
    await killedRun();
    await mkdir(join(here.path, 'checkpoints', '.4.1-0-7.tmp'));
    expect((await open({ resume: true })).checkpoint?.completeRounds).toBe(3);
    expect(here.warnings).toEqual([]);
  });

  test('should leave out a line that a crash cut short, and log on below the others', async () => {
    await killedRun();
    await writeFile(join(here.path, 'metrics.jsonl'), '{"kind":"round","trainingSta', { flag: 'a' });
    const run = await open({ resume: true });
    await run.recordRound(roundMetrics(3));
    expect((await lines()).map(({ round }) => round)).toEqual([0, 0, 1, 2, 3]);
  });

  test('should set damaged lines aside, say which, and lose no checkpoint to them', async () => {
    await killedRun();
    const log = join(here.path, 'metrics.jsonl');
    const damaged = (await readFile(log, 'utf8'))
      .replace('"rewardMean":0.26', '"rewardMeam":0.26')
      .concat('garbage\n');
    await writeFile(log, damaged);
    const { checkpoint, history } = await open({ resume: true });
    expect(checkpoint?.completeRounds).toBe(3);
    expect(history.map(({ round }) => round)).toEqual([0, 0, 2]);
    expect(await lines()).toEqual(history);
    const aside = join(here.path, 'metrics.damaged.jsonl');
    expect(here.warnings).toEqual([
      `${log}: expected whole lines of figures, got 2 that cannot be used: line 3 (rewardMean: expected a number or null), line 5 (expected JSON). They are set aside in ${aside}; guards, report and elapsed time use the others.`,
    ]);
    expect((await readFile(aside, 'utf8')).split('\n')).toEqual([damaged.split('\n')[2], 'garbage', '']);
    here.warnings = [];
    await open({ resume: true });
    expect(here.warnings).toEqual([]);
  });

  test.each([
    ['is no YAML', 'name: [', 'text that is not YAML'],
    ['is empty', '', 'an empty file'],
    ['was filled with zeros', '\0\0\0\0', 'text that is no mapping'],
    ['is a word', 'tiny', 'text that is no mapping'],
  ])('should write a config anew that %s, where a checkpoint is of this one', async (_, text, damage) => {
    await killedRun();
    const file = join(here.path, 'config.yaml');
    await writeFile(file, text);
    const { checkpoint } = await open({ resume: true });
    expect(checkpoint?.completeRounds).toBe(3);
    expect(parse(await readFile(file, 'utf8'))).toEqual(savedForm(configWith()));
    expect(here.warnings).toEqual([
      `${file}: expected the config of the run, got ${damage}. It is written again: the checkpoint is of this config.`,
    ]);
    await writeFile(file, text);
    await expect(open({ resume: true, config: configWith('seed=8') })).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
    });
    await rm(join(here.path, 'checkpoints'), { recursive: true });
    await expect(open({ resume: true })).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
      message: `${file}: expected the config of the run, got ${damage}, and no whole checkpoint tells whether this config is the same. Restore the file, or start anew with another --run-dir.`,
    });
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  test('should start from the beginning where no checkpoint was written', async () => {
    const run = await open();
    await run.recordEvaluation(evaluation(0));
    const { checkpoint, history } = await open({ resume: true });
    expect(checkpoint).toBeNull();
    expect(history).toEqual([]);
    expect(await lines()).toEqual([]);
    expect(here.warnings).toEqual([
      `${here.path}: expected a checkpoint, got none. The run starts from the beginning.`,
    ]);
  });

  test('should resume a run from another working directory, and one whose names are relative as in earlier versions', async () => {
    await killedRun();
    const file = join(here.path, 'config.yaml');
    const saved = parse(await readFile(file, 'utf8'));
    expect(saved.model.pipeline).toBe('tributary:shapes');
    expect(saved.stages.prompts.train).toBe(resolve('train.txt'));
    const elsewhere = configWith(
      `stages.prompts.train=${resolve('train.txt')}`,
      'model.pipeline=tributary:shapes',
    );
    expect((await open({ resume: true, config: elsewhere })).checkpoint?.completeRounds).toBe(3);

    const path = join(here.folder, 'earlier');
    const run = await open({ path, config: configWith() });
    await run.release();
    await writeFile(join(path, 'config.yaml'), stringify(configWith()));
    expect((await open({ path, resume: true, config: elsewhere })).isResumed).toBe(true);
    const other = configWith('stages.prompts.train=other.txt');
    await expect(open({ path, resume: true, config: other })).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
    });
  });

  test('should refuse another config and name the setting', async () => {
    await killedRun();
    const config = configWith('stages.trainer.learningRate=0.01');
    await expect(open({ resume: true, config })).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
      exitCode: 1,
      message: `run directory ${here.path} stages.trainer.learningRate: expected 0.0003 as when the run began, got 0.01. Restore it, or start anew with another --run-dir; \`model.startFrom\` takes along what a checkpoint of this run has learned.`,
    });
  });

  test.each(['checkpoints.keep=9', 'engine.threads=5', 'engine.sessionThreads=2'])(
    'should let a run go on with %s, which changes nothing of what it computes',
    async (setting) => {
      await killedRun();
      const run = await open({ resume: true, config: configWith(setting) });
      expect(run.checkpoint?.completeRounds).toBe(3);
      await run.saveCheckpoint(4, { 'state.json': '{}' });
      await run.release();
      expect((await open({ resume: true })).checkpoint?.completeRounds).toBe(4);
    },
  );

  const rounds = ({ config }: Awaited<ReturnType<typeof open>>) => {
    const { numRounds, plannedRounds } = stageOf(config, 'prompts');
    return [numRounds, plannedRounds];
  };
  const resumedWith = async (...overrides: string[]) => {
    const run = await open({ resume: true, config: configWith(...overrides) });
    expect(run.checkpoint?.completeRounds).toBe(3);
    await run.release();
    return run;
  };

  test('should lengthen and shorten a run, over the rounds that it planned unless the config says others', async () => {
    await killedRun();
    const begun = await readFile(join(here.path, 'config.yaml'), 'utf8');
    const recorded = () => readFile(join(here.path, 'config.resumed.yaml'), 'utf8').then(parse);
    expect(rounds(await resumedWith())).toEqual([24, undefined]);
    await expect(recorded()).rejects.toMatchObject({ code: 'ENOENT' });
    const lengthened = await resumedWith('stages.prompts.numRounds=48');
    expect(rounds(lengthened)).toEqual([48, 24]);
    expect(await recorded()).toEqual(savedForm(lengthened.config));
    const dashboard = await newestConfigPath(here.path);
    expect(rounds({ ...lengthened, config: await loadTopology(dashboard) })).toEqual([48, 24]);
    expect(rounds(await resumedWith('stages.prompts.numRounds=60'))).toEqual([60, 24]);
    const planned = ['stages.prompts.numRounds=60', 'stages.prompts.plannedRounds=30'];
    expect(rounds(await resumedWith(...planned))).toEqual([60, 30]);
    expect(rounds(await resumedWith('stages.prompts.numRounds=4'))).toEqual([4, 24]);
    expect(rounds(await resumedWith())).toEqual([24, undefined]);
    await expect(recorded()).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readFile(join(here.path, 'config.yaml'), 'utf8')).toBe(begun);
    expect(here.warnings).toEqual([]);
  });

  test.each([1, 2, 3])(
    'should refuse to end a run of three complete rounds at round %i',
    async (numRounds) => {
      await killedRun();
      const log = await lines();
      const config = configWith(`stages.prompts.numRounds=${numRounds}`);
      await expect(open({ resume: true, config })).rejects.toMatchObject({
        code: 'TRIB_CHECKPOINT',
        message: `run directory ${here.path} stages.prompts.numRounds: expected more than the 3 rounds that are complete, got ${numRounds}. Give a higher number with --set stages.prompts.numRounds=<rounds>, or start anew with another --run-dir.`,
      });
      expect(await lines()).toEqual(log);
      expect(rounds(await resumedWith())).toEqual([24, undefined]);
    },
  );

  test('should find a lengthened run again whose config is damaged, if the planned rounds are given', async () => {
    await killedRun();
    await writeFile(join(here.path, 'config.yaml'), '');
    const more = 'stages.prompts.numRounds=48';
    await expect(open({ resume: true, config: configWith(more) })).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
    });
    expect(rounds(await resumedWith(more, 'stages.prompts.plannedRounds=24'))).toEqual([48, 24]);
  });

  test('should let a run go on that is older than a setting', async () => {
    const { klToPretrained: _, ...guards } = configWith().guards;
    const run = await open({ config: { ...configWith(), guards } as ReturnType<typeof configWith> });
    await run.saveCheckpoint(1, { 'state.json': '{}' });
    await run.release();
    expect((await open({ resume: true })).checkpoint?.completeRounds).toBe(1);
  });

  test('should refuse a checkpoint that was copied from a run of another config', async () => {
    await killedRun();
    const other = join(here.folder, 'other');
    const config = configWith('seed=8');
    const run = await open({ path: other, config });
    await run.saveCheckpoint(9, { 'state.json': '{}' });
    await rm(join(here.path, 'checkpoints'), { recursive: true });
    await mkdir(join(here.path, 'checkpoints', '9'), { recursive: true });
    for (const name of ['state.json', 'manifest.json'])
      await writeFile(
        join(here.path, 'checkpoints', '9', name),
        await readFile(join(other, 'checkpoints', '9', name)),
      );
    await expect(open({ resume: true })).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
      message: `${join(here.path, 'checkpoints', '9')}: expected a checkpoint of this config, got one of another. Resume with the config it was made with, or start a new run with another --run-dir.`,
    });
  });

  test('should say that there is no run to resume', async () => {
    await expect(open({ resume: true })).rejects.toMatchObject({
      code: 'TRIB_USAGE',
      message: `run directory ${here.path}: expected a run to resume, got no config.yaml there. Omit --resume to start it.`,
    });
  });
});
