/** @file Runs that train all weights of the UNet: the same way through the streams as an adapter's. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { runCli } from '../../cli/run-cli.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { eventsOf, metricsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';
const FULL = [
  'model.train=full',
  'stages.trainer.learningRate=1e-3',
  'evaluation.imagesPerPrompt=1',
  'stages.sampler.numBranches=2',
  'stages.schedule.first=1',
  'stages.schedule.last=1',
];

describe('a run with model.train: full', () => {
  it('should train every weight, and go on from a checkpoint to the same bytes', async () => {
    const folder = await temporaryFolder();
    const config = await tinyConfig(folder, {
      overrides: [...FULL, 'checkpoints.everyRounds=1', 'stages.prompts.numRounds=2'],
    });
    const [whole, resumed] = [join(folder, 'whole'), join(folder, 'resumed')];
    const run = await runTiny({ config, path: whole });
    expect(run.error).toBe(undefined);
    expect(eventsOf(run, 'finished').length).toBe(1);
    const controller = new AbortController();
    await runTiny({
      config,
      path: resumed,
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === 'checkpoint') controller.abort();
      },
    });
    const ended = await runTiny({ config, path: resumed, resume: true });
    expect(ended.error).toBe(undefined);
    const bytes = await readFile(join(whole, WEIGHTS));
    expect((await readFile(join(resumed, WEIGHTS))).equals(bytes)).toBe(true);
    expect(await metricsOf(resumed)).toEqual(await metricsOf(whole));
  });

  it('should draw with what it leaves, merge it, and say that there is no adapter to export', async () => {
    const folder = await temporaryFolder();
    const config = await tinyConfig(folder, { overrides: [...FULL, 'stages.prompts.numRounds=1'] });
    const path = join(folder, 'run');
    expect((await runTiny({ config, path })).error).toBe(undefined);
    const { tensors } = decodeSafetensors(await readFile(join(path, WEIGHTS)), WEIGHTS);
    expect(tensors.get('conv_in.weight')?.shape).toEqual([8, 3, 3, 3]);
    expect(await readdir(path)).not.toContain('pytorch_lora_weights.safetensors');
    const checkpoints = await readdir(join(path, 'checkpoints'), { recursive: true });
    expect(checkpoints.some((name) => name.endsWith(WEIGHTS))).toBe(true);

    const { pipeline } = config.model;
    const draw = (from: string, out: string, ...more: string[]) =>
      runCli([
        ...['sample', '--pipeline', from, '--prompt', 'a red circle', '--out', join(folder, out)],
        ...['--images', '1', '--steps', '3', '--scale', '1', '--threads', '1', ...more],
      ]);
    expect(await draw(pipeline, 'tuned.png', '--lora', join(path, WEIGHTS))).toMatchObject({ code: 0 });
    expect(await draw(pipeline, 'base.png')).toMatchObject({ code: 0 });
    const merged = join(folder, 'merged');
    const merging = await runCli(['merge', join(path, WEIGHTS), '--pipeline', pipeline, '--out', merged]);
    expect(merging).toEqual({ code: 0, stdout: `${merged}\n`, stderr: '' });
    expect(await draw(merged, 'merged.png')).toMatchObject({ code: 0 });
    const [tuned, base, again] = await Promise.all(
      ['tuned.png', 'base.png', 'merged.png'].map(async (name) => [
        ...decode(await readFile(join(folder, name))).data,
      ]),
    );
    const apart = (one: number[] = [], other: number[] = []) =>
      Math.max(...one.map((value, i) => Math.abs(value - (other[i] ?? Number.NaN))));
    expect(apart(tuned, again)).toBeLessThanOrEqual(1);
    expect(apart(tuned, base)).toBeGreaterThan(1);

    const { code, stderr } = await runCli(['export', path]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('Write a whole pipeline with tributary merge.'),
    ]);
  });
});
