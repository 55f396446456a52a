import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunDirectoryOptions } from '../../../src/streams/directory/run-directory.js';
import { roundMetrics } from '../example-metrics.js';
import { here, killedRun, open, useFolders } from './run-in-folder.js';

useFolders();

describe('openRunDirectory, a run of another version', () => {
  /** All files but the lock, which comes and goes. */
  const everything = async () => {
    const names = (await readdir(here.path, { recursive: true }))
      .filter((name) => name !== 'run.lock')
      .sort();
    const read = (name: string) => readFile(join(here.path, name), 'latin1').catch(() => 'a folder');
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
    const file = join(here.path, 'config.yaml');
    await writeFile(file, written(await readFile(file, 'utf8')));
    await refused({ resume: true }, `${file} version`, got);
  });

  test('should refuse a checkpoint of version 1, also where the config is damaged', async () => {
    await killedRun();
    const manifest = join(here.path, 'checkpoints', '3', 'manifest.json');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('"version": 2', '"version": 1'));
    await writeFile(join(here.path, 'config.yaml'), '');
    await refused({ resume: true }, `${manifest} version`, '1');
  });

  test.each(['round', 'evaluation', 'alarm'])('should refuse a log of version 1: %s', async (kind) => {
    const run = await open();
    await run.recordRound(roundMetrics(0));
    const log = join(here.path, 'metrics.jsonl');
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
