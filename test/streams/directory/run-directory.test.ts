import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { encodePng } from '../../../src/models/images/picture.js';
import { savedForm } from '../../../src/streams/directory/saved-config.js';
import { alarm, evaluation, roundMetrics } from '../example-metrics.js';
import { configWith, here, lines, open, useFolders } from './run-in-folder.js';

useFolders();

describe('openRunDirectory, a new run', () => {
  test('should write the resolved config', async () => {
    await open();
    expect(parse(await readFile(join(here.path, 'config.yaml'), 'utf8'))).toEqual(savedForm(configWith()));
  });

  test('should refuse a directory that holds a run, and leave it as it is', async () => {
    await (await open()).recordEvaluation(evaluation(0));
    await expect(open({ config: configWith('seed=8') })).rejects.toMatchObject({
      code: 'TRIB_USAGE',
      message: `run directory ${here.path}: expected a new run, got one that exists. Continue it with --resume, or choose another with --run-dir.`,
    });
    expect(parse(await readFile(join(here.path, 'config.yaml'), 'utf8')).seed).toBe(7);
  });

  test('should begin a run anew that ended before its first figures', async () => {
    await open();
    await open({ config: configWith('seed=8') });
    expect(parse(await readFile(join(here.path, 'config.yaml'), 'utf8')).seed).toBe(8);
  });

  test('should refuse a folder of other files, and take an empty one', async () => {
    await mkdir(here.path);
    await open();
    const other = join(here.folder, 'other');
    await mkdir(other);
    await writeFile(join(other, 'thesis.txt'), '');
    await expect(open({ path: other })).rejects.toMatchObject({
      message: `run directory ${other}: expected an empty folder, got one with files. Choose another with --run-dir.`,
    });
  });

  test('should say where it cannot write', async () => {
    await writeFile(here.path, 'a file');
    await expect(open()).rejects.toMatchObject({ code: 'TRIB_FILE', exitCode: 1 });
  });
});

describe('openRunDirectory, what a run writes', () => {
  test('should log rounds, evaluations and alarms as JSON lines and as events', async () => {
    const run = await open();
    const gold = { taste: { mean: 0.5, std: 0.1 } };
    const pictures = { edgeDensity: gold.taste, colorEntropy: gold.taste, brightness: gold.taste };
    const all = { gold, rewardParts: { red: 0.25 }, pictures: { ...pictures, jpegKilobytes: gold.taste } };
    const measured = evaluation(0, { train: all, heldOut: all });
    await run.recordEvaluation(measured);
    const round = roundMetrics(0, { rewardParts: { red: { groups: 8, mean: 0.25, std: 0.5 } } });
    await run.recordRound(round);
    await run.recordAlarm(alarm(1));
    expect(await lines()).toEqual([
      { kind: 'evaluation', time: '2026-11-21T10:00:00.000Z', ...measured },
      { kind: 'round', time: '2026-11-21T10:00:00.000Z', ...round },
      { kind: 'alarm', time: '2026-11-21T10:00:00.000Z', ...alarm(1) },
    ]);
    const events = await readFile(join(here.path, 'events.out.tfevents.tributary'), 'latin1');
    for (const tag of [
      'brain.Event:2',
      'evaluation/held_out_diversity',
      'evaluation_gold/taste_held_out',
      'evaluation_reward_parts/red_train',
      'reward_parts/red_mean',
      'reward_parts/red_std',
      'reward_parts/red_groups',
      'evaluation_pictures/jpeg_kilobytes_train',
      'charts/reward_mean',
      'losses/grad_norm',
      'alarms/ratioDrift',
    ])
      expect(events).toContain(tag);
  });

  test('should keep the newest checkpoints', async () => {
    const run = await open({ config: configWith('checkpoints.keep=2') });
    for (const complete of [8, 9, 10, 11]) await run.saveCheckpoint(complete, { 'state.json': '{}' });
    expect((await readdir(join(here.path, 'checkpoints'))).sort()).toEqual(['10', '11']);
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
    expect((await readdir(join(here.path, 'best'))).sort()).toEqual([
      'evaluation.json',
      'pytorch_lora_weights.safetensors',
    ]);
    expect(await run.readBest()).toEqual({ ...better, adapter: Buffer.of(2, 3) });
    await writeFile(join(here.path, 'best', 'evaluation.json'), '{"round":4}');
    expect(await run.readBest()).toBeNull();
  });

  test('should write sample grids with their prompts', async () => {
    const run = await open();
    const png = encodePng({ data: new Uint8Array(6), width: 2, height: 1 });
    const grid = { png, prompts: ['a red circle', 'two blue squares'] };
    expect(await run.saveSamples(12, grid)).toBe(join(here.path, 'samples', 'round-0012.png'));
    expect(await readFile(join(here.path, 'samples', 'prompts.txt'), 'utf8')).toBe(
      'a red circle\ntwo blue squares\n',
    );
  });
});
