import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { openRunDirectory, type RunDirectoryOptions } from '../../../src/streams/directory/run-directory.js';
import { SMALLEST } from '../config/valid-config.js';
import { alarm, evaluation, roundMetrics } from '../example-metrics.js';

let folder = '';
let path = '';
let warnings: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'run-'));
  path = join(folder, 'tiny');
  warnings = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function configWith(...overrides: string[]) {
  const { config, faults } = lintTopology(SMALLEST, 'tiny.yaml', { overrides });
  if (!config) throw new Error(faults.map(({ message }) => message).join('\n'));
  return config;
}

const open = (options: Partial<RunDirectoryOptions> = {}) =>
  openRunDirectory({
    config: configWith(),
    path,
    resume: false,
    warn: (message) => warnings.push(message),
    now: () => new Date('2026-11-21T10:00:00Z'),
    ...options,
  });

const lines = async () =>
  (await readFile(join(path, 'metrics.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { kind: string; round: number });

/** A run that was killed after round 2, with checkpoints after each of its rounds. */
async function killedRun() {
  const run = await open();
  await run.recordEvaluation(evaluation(0));
  for (const round of [0, 1, 2]) {
    await run.recordRound(roundMetrics(round));
    await run.saveCheckpoint(round + 1, {
      'state.json': `{"round":${round}}`,
      'w.bin': Uint8Array.of(round),
    });
  }
}

describe('openRunDirectory, a new run', () => {
  test('should write the resolved config', async () => {
    await open();
    expect(parse(await readFile(join(path, 'config.yaml'), 'utf8'))).toEqual(configWith());
  });

  test('should refuse a directory that holds a run, and leave it as it is', async () => {
    await (await open()).recordEvaluation(evaluation(0));
    await expect(open({ config: configWith('seed=8') })).rejects.toMatchObject({
      code: 'TRIB_USAGE',
      message: `run directory ${path}: expected a new run, got one that exists. Continue it with --resume, or choose another with --run-dir.`,
    });
    expect(parse(await readFile(join(path, 'config.yaml'), 'utf8')).seed).toBe(7);
  });

  test('should begin a run anew that ended before its first figures', async () => {
    await open();
    await open({ config: configWith('seed=8') });
    expect(parse(await readFile(join(path, 'config.yaml'), 'utf8')).seed).toBe(8);
  });

  test('should refuse a folder of other files, and take an empty one', async () => {
    await mkdir(path);
    await open();
    const other = join(folder, 'other');
    await mkdir(other);
    await writeFile(join(other, 'thesis.txt'), '');
    await expect(open({ path: other })).rejects.toMatchObject({
      message: `run directory ${other}: expected an empty folder, got one with files. Choose another with --run-dir.`,
    });
  });

  test('should say where it cannot write', async () => {
    await writeFile(path, 'a file');
    await expect(open()).rejects.toMatchObject({ code: 'TRIB_FILE', exitCode: 1 });
  });
});

describe('openRunDirectory, what a run writes', () => {
  test('should log rounds, evaluations and alarms as JSON lines and as events', async () => {
    const run = await open();
    await run.recordEvaluation(evaluation(0));
    await run.recordRound(roundMetrics(0));
    await run.recordAlarm(alarm(1));
    expect(await lines()).toEqual([
      { kind: 'evaluation', time: '2026-11-21T10:00:00.000Z', ...evaluation(0) },
      { kind: 'round', time: '2026-11-21T10:00:00.000Z', ...roundMetrics(0) },
      { kind: 'alarm', time: '2026-11-21T10:00:00.000Z', ...alarm(1) },
    ]);
    const events = await readFile(join(path, 'events.out.tfevents.tributary'), 'latin1');
    for (const tag of [
      'brain.Event:2',
      'evaluation/held_out_diversity',
      'charts/reward_mean',
      'losses/grad_norm',
      'alarms/ratioDrift',
    ])
      expect(events).toContain(tag);
  });

  test('should keep the newest checkpoints', async () => {
    const run = await open({ config: configWith('checkpoints.keep=2') });
    for (const complete of [8, 9, 10, 11]) await run.saveCheckpoint(complete, { 'state.json': '{}' });
    expect((await readdir(join(path, 'checkpoints'))).sort()).toEqual(['10', '11']);
  });

  test('should keep the best policy, adapter and figures together', async () => {
    const run = await open();
    expect(await run.readBest()).toBeNull();
    await run.saveBest({ evaluation: evaluation(0), adapter: Uint8Array.of(1) });
    const better = {
      evaluation: evaluation(4, { heldOut: { rewardMean: 0.1 + 0.2 } }),
      adapter: Uint8Array.of(2, 3),
    };
    await run.saveBest(better);
    expect((await readdir(join(path, 'best'))).sort()).toEqual([
      'evaluation.json',
      'pytorch_lora_weights.safetensors',
    ]);
    expect(await run.readBest()).toEqual({ ...better, adapter: Buffer.of(2, 3) });
    await writeFile(join(path, 'best', 'evaluation.json'), '{"round":4}');
    expect(await run.readBest()).toBeNull();
  });

  test('should write sample grids with their prompts', async () => {
    const run = await open();
    const grid = { png: Uint8Array.of(1, 2), prompts: ['a red circle', 'two blue squares'] };
    expect(await run.saveSamples(12, grid)).toBe(join(path, 'samples', 'round-0012.png'));
    expect(await readFile(join(path, 'samples', 'prompts.txt'), 'utf8')).toBe(
      'a red circle\ntwo blue squares\n',
    );
  });
});

describe('openRunDirectory, a run to resume', () => {
  test('should read the newest checkpoint', async () => {
    await killedRun();
    const { checkpoint, elapsedSeconds } = await open({ resume: true });
    expect(checkpoint?.completeRounds).toBe(3);
    expect(checkpoint?.files.get('w.bin')).toEqual(Uint8Array.of(2));
    expect([...(checkpoint?.files.keys() ?? [])]).toEqual(['state.json', 'w.bin']);
    expect(elapsedSeconds).toBe(30);
    expect(warnings).toEqual([]);
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
    const damaged = join(path, 'checkpoints', '3');
    await spoil(damaged);
    const { checkpoint, history } = await open({ resume: true });
    expect(checkpoint?.completeRounds).toBe(2);
    expect(warnings).toEqual([`${damaged}: expected a whole checkpoint, got ${damage}. It is skipped.`]);
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
    await mkdir(join(path, 'checkpoints', '.4.1-0-7.tmp'));
    expect((await open({ resume: true })).checkpoint?.completeRounds).toBe(3);
    expect(warnings).toEqual([]);
  });

  test('should leave out a line that a crash cut short, and log on below the others', async () => {
    await killedRun();
    await writeFile(join(path, 'metrics.jsonl'), '{"kind":"round","trainingSta', { flag: 'a' });
    const run = await open({ resume: true });
    await run.recordRound(roundMetrics(3));
    expect((await lines()).map(({ round }) => round)).toEqual([0, 0, 1, 2, 3]);
  });

  test('should set damaged lines aside, say which, and lose no checkpoint to them', async () => {
    await killedRun();
    const log = join(path, 'metrics.jsonl');
    const damaged = (await readFile(log, 'utf8'))
      .replace('"rewardMean":0.26', '"rewardMeam":0.26')
      .concat('garbage\n');
    await writeFile(log, damaged);
    const { checkpoint, history } = await open({ resume: true });
    expect(checkpoint?.completeRounds).toBe(3);
    expect(history.map(({ round }) => round)).toEqual([0, 0, 2]);
    expect(await lines()).toEqual(history);
    const aside = join(path, 'metrics.damaged.jsonl');
    expect(warnings).toEqual([
      `${log}: expected whole lines of figures, got 2 that cannot be used: line 3 (rewardMean: expected a number or null), line 5 (expected JSON). They are set aside in ${aside}; guards, report and elapsed time use the others.`,
    ]);
    expect((await readFile(aside, 'utf8')).split('\n')).toEqual([damaged.split('\n')[2], 'garbage', '']);
    warnings = [];
    await open({ resume: true });
    expect(warnings).toEqual([]);
  });

  test.each([
    ['is no YAML', 'name: [', 'text that is not YAML'],
    ['is empty', '', 'an empty file'],
    ['was filled with zeros', '\0\0\0\0', 'text that is no mapping'],
    ['is a word', 'tiny', 'text that is no mapping'],
  ])('should write a config anew that %s, where a checkpoint is of this one', async (_, text, damage) => {
    await killedRun();
    const file = join(path, 'config.yaml');
    await writeFile(file, text);
    const { checkpoint } = await open({ resume: true });
    expect(checkpoint?.completeRounds).toBe(3);
    expect(parse(await readFile(file, 'utf8'))).toEqual(configWith());
    expect(warnings).toEqual([
      `${file}: expected the config of the run, got ${damage}. It is written again: the checkpoint is of this config.`,
    ]);
    await writeFile(file, text);
    await expect(open({ resume: true, config: configWith('seed=8') })).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
    });
    await rm(join(path, 'checkpoints'), { recursive: true });
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
    expect(warnings).toEqual([
      `${path}: expected a checkpoint, got none. The run starts from the beginning.`,
    ]);
  });

  test('should refuse another config and name the setting', async () => {
    await killedRun();
    const config = configWith('stages.trainer.learningRate=0.01');
    await expect(open({ resume: true, config })).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
      exitCode: 1,
      message: `run directory ${path} stages.trainer.learningRate: expected 0.0003 as when the run began, got 0.01. Restore it, or start anew with another --run-dir.`,
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

  test('should let a run go on that is older than a setting', async () => {
    const { klToPretrained: _, ...guards } = configWith().guards;
    const run = await open({ config: { ...configWith(), guards } as ReturnType<typeof configWith> });
    await run.saveCheckpoint(1, { 'state.json': '{}' });
    await run.release();
    expect((await open({ resume: true })).checkpoint?.completeRounds).toBe(1);
  });

  test('should refuse a checkpoint that was copied from a run of another config', async () => {
    await killedRun();
    const other = join(folder, 'other');
    const config = configWith('seed=8');
    const run = await open({ path: other, config });
    await run.saveCheckpoint(9, { 'state.json': '{}' });
    await rm(join(path, 'checkpoints'), { recursive: true });
    await mkdir(join(path, 'checkpoints', '9'), { recursive: true });
    for (const name of ['state.json', 'manifest.json'])
      await writeFile(
        join(path, 'checkpoints', '9', name),
        await readFile(join(other, 'checkpoints', '9', name)),
      );
    await expect(open({ resume: true })).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
      message: `${join(path, 'checkpoints', '9')}: expected a checkpoint of this config, got one of another. Resume with the config it was made with, or start a new run with another --run-dir.`,
    });
  });

  test('should say that there is no run to resume', async () => {
    await expect(open({ resume: true })).rejects.toMatchObject({
      code: 'TRIB_USAGE',
      message: `run directory ${path}: expected a run to resume, got no config.yaml there. Omit --resume to start it.`,
    });
  });
});

describe('openRunDirectory, a run of another version', () => {
  /** All files but the lock, which comes and goes. */
  const everything = async () => {
    const names = (await readdir(path, { recursive: true })).filter((name) => name !== 'run.lock').sort();
    const read = (name: string) => readFile(join(path, name), 'latin1').catch(() => 'a folder');
    return Promise.all(names.map(async (name) => [name, await read(name)]));
  };
  const refused = async (options: Partial<RunDirectoryOptions>, place: string, got: string) => {
    const before = await everything();
    await expect(open(options)).rejects.toMatchObject({
      code: 'TRIB_CHECKPOINT',
      message: `${place}: expected version 2, got ${got}: the run was started by a version of this program with other field names. Finish it with that program, or start a new run with another --run-dir, from its adapter with --set model.startFrom=<the adapter of a checkpoint>. Nothing in the directory was changed.`,
    });
    expect(await everything()).toEqual(before);
  };

  test.each([
    ['without a version', (text: string) => text.replace('version: 2\n', ''), 'nothing'],
    ['of version 1', (text: string) => text.replace('version: 2', 'version: 1'), '1'],
    ['of a later version', (text: string) => text.replace('version: 2', 'version: 3'), '3'],
  ])('should refuse a config %s', async (_, written, got) => {
    await killedRun();
    const file = join(path, 'config.yaml');
    await writeFile(file, written(await readFile(file, 'utf8')));
    await refused({ resume: true }, `${file} version`, got);
  });

  test('should refuse a checkpoint of version 1, also where the config is damaged', async () => {
    await killedRun();
    const manifest = join(path, 'checkpoints', '3', 'manifest.json');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('"version": 2', '"version": 1'));
    await writeFile(join(path, 'config.yaml'), '');
    await refused({ resume: true }, `${manifest} version`, '1');
  });

  test.each(['round', 'evaluation', 'alarm'])('should refuse a log of version 1: %s', async (kind) => {
    const run = await open();
    await run.recordRound(roundMetrics(0));
    const log = join(path, 'metrics.jsonl');
    const old = {
      ...roundMetrics(0),
      round: undefined,
      trainingStage: 0,
      kind: kind === 'round' ? 'stage' : kind,
    };
    await writeFile(log, `garbage\n${JSON.stringify(old)}\n`);
    await refused({ resume: true }, `${log} line 2`, '1');
    // A new run in its place would begin the log anew.
    await run.release();
    await refused({ resume: false }, `${log} line 2`, '1');
  });
});
