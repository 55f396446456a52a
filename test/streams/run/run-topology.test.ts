/** @file The whole loop on a tiny pipeline: the real threads, graphs and files. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import type { RunEvent } from '../../../src/streams/messages/run-events.js';
import { spawnTiny } from '../../fixtures/spawn-tiny.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import type { EndedRun } from '../../fixtures/tiny-run.js';
import {
  adapterOf,
  eventsOf,
  isRound,
  kindsOf,
  metricsOf,
  resultOf,
  runTiny,
  TINY_STAGES,
  tinyConfig,
  UNGUARDED,
  writeConfig,
} from '../../fixtures/tiny-run.js';
import { undisturbedTiny } from '../../fixtures/undisturbed-tiny.js';

const { config, path: undisturbedPath, run: undisturbed, copyWhole } = await undisturbedTiny();

describe('a whole run', () => {
  it('should say what happens, in order', () => {
    expect(undisturbed.warnings).toEqual([]);
    const round = (...after: string[]) => [...Array(4).fill('progress'), 'round', ...after, 'checkpoint'];
    expect(kindsOf(undisturbed)).toEqual([
      'started',
      'prompts',
      ...Array(3).fill('provider'),
      'evaluation',
      ...round(),
      ...round('evaluation'),
      ...round('evaluation'),
      'finished',
    ]);
    const { base, tuned } = eventsOf(undisturbed, 'finished')[0] as Extract<RunEvent, { kind: 'finished' }>;
    expect([base.policyVersion, tuned.policyVersion]).toEqual([0, TINY_STAGES]);
    expect(tuned.train.rewardMean).not.toBe(base.train.rewardMean);
  });

  it('should train every round on its interval, on policy, with gradients', () => {
    const rounds = eventsOf(undisturbed, 'round').map(({ metrics }) => metrics);
    expect(rounds.map(({ round, firstStep, numSteps }) => [round, firstStep, numSteps])).toEqual([
      [0, 2, 4],
      [1, 2, 4],
      [2, 1, 4],
    ]);
    for (const metrics of rounds) {
      expect(metrics).toMatchObject({
        groups: 4,
        lostGroups: 0,
        deadLetters: 0,
        selectedSamples: 8,
        optimizerSteps: 3,
      });
      expect(metrics.maxRatioDeviation).toBeLessThan(1e-5);
      expect(metrics.gradNorm).toBeGreaterThan(0);
      expect(metrics.rewardStd).toBeGreaterThan(0);
      expect(metrics.verifierScore).toBeGreaterThanOrEqual(0);
    }
    expect(rounds.map(({ rewardQueries }) => rewardQueries)).toEqual([12, 24, 36]);
  });

  it('should leave a run directory: config, figures, pictures, checkpoints, adapter', async () => {
    expect((await readdir(undisturbedPath)).toSorted()).toEqual([
      'best',
      'checkpoints',
      'config.yaml',
      'events.out.tfevents.tributary',
      'metrics.jsonl',
      'pytorch_lora_weights.safetensors',
      'samples',
    ]);
    expect((await readdir(join(undisturbedPath, 'checkpoints'))).toSorted()).toEqual(['1', '2', '3']);
    expect((await readdir(join(undisturbedPath, 'samples'))).toSorted()).toEqual([
      'prompts.txt',
      'round-0000.png',
      'round-0003.png',
    ]);
    const [before, after] = await Promise.all(
      ['round-0000.png', 'round-0003.png'].map((name) => readFile(join(undisturbedPath, 'samples', name))),
    );
    expect(after).not.toEqual(before);
    expect((await metricsOf(undisturbedPath)).map(({ kind }) => kind)).toEqual([
      'evaluation',
      'round',
      'round',
      'evaluation',
      'round',
      'evaluation',
    ]);
    const layers = decodeLoraFile(await adapterOf(undisturbedPath), 'adapter');
    expect(layers).toHaveLength(24);
    expect(layers.every(({ loraB }) => loraB.some((value) => value !== 0))).toBe(true);
  });

  it('should give the same bytes again, and others with another seed', async () => {
    const path = join(await temporaryFolder(), 'again');
    await runTiny({ config, path });
    expect(await resultOf(path)).toEqual(await resultOf(undisturbedPath));
    const other = join(await temporaryFolder(), 'other');
    await runTiny({ config: { ...config, seed: 4 }, path: other });
    expect(await adapterOf(other)).not.toEqual(await adapterOf(undisturbedPath));
  });
});

describe('a run that is stopped', () => {
  it('should finish the round in flight, save, and go on to the same bytes', async () => {
    const path = join(await temporaryFolder(), 'stopped');
    const stop = new AbortController();
    const stopped = await runTiny({
      config,
      path,
      signal: stop.signal,
      onEvent: (event) => {
        if (isRound(1)(event)) stop.abort();
      },
    });
    expect(stopped.error).toBeUndefined();
    expect(kindsOf(stopped)).not.toContain('finished');
    expect(eventsOf(stopped, 'round').map(({ metrics }) => metrics.round)).toEqual([0, 1]);
    expect(await adapterOf(path)).not.toEqual(await adapterOf(undisturbedPath));
    const resumed = await runTiny({ config, path, resume: true });
    expect(resumed.error).toBeUndefined();
    expect(eventsOf(resumed, 'round').map(({ metrics }) => metrics.round)).toEqual([2]);
    expect(eventsOf(resumed, 'finished')).toEqual([
      {
        ...eventsOf(undisturbed, 'finished')[0],
        base: expect.anything(),
        tuned: expect.anything(),
        best: expect.anything(),
      },
    ]);
    expect(await resultOf(path)).toEqual(await resultOf(undisturbedPath));
  });

  it('should save at once where it is stopped before it begins, and then run whole', async () => {
    const path = join(await temporaryFolder(), 'at-once');
    const stopped = await runTiny({ config, path, signal: AbortSignal.abort() });
    expect(stopped.error).toBeUndefined();
    expect(kindsOf(stopped)).toEqual([
      'started',
      'prompts',
      'provider',
      'provider',
      'provider',
      'evaluation',
    ]);
    const resumed = await runTiny({ config, path, resume: true });
    expect(resumed.warnings).toEqual([
      `${path}: expected a checkpoint, got none. The run starts from the beginning.`,
    ]);
    expect(await resultOf(path)).toEqual(await resultOf(undisturbedPath));
  });

  it('should have nothing left to do where it was whole', async () => {
    const path = join(await temporaryFolder(), 'whole');
    await copyWhole(path);
    const resumed = await runTiny({ config, path, resume: true });
    expect(resumed.error).toBeUndefined();
    expect(eventsOf(resumed, 'round')).toEqual([]);
    expect(kindsOf(resumed).at(-1)).toBe('finished');
    expect(await resultOf(path)).toEqual(await resultOf(undisturbedPath));
  });
});

describe('a guarded run', () => {
  const guardedRun = async (...guards: string[]) => {
    const own = await temporaryFolder();
    const guarded = await tinyConfig(own, { overrides: [...UNGUARDED, ...guards] });
    return { config: guarded, path: join(own, 'run') };
  };
  const alarmsOf = (run: EndedRun) => eventsOf(run, 'alarm').map(({ alarm }) => [alarm.guard, alarm.round]);

  it('should halve the learning rate once, and remember it after kill -9', async () => {
    const lower = 'guards.ratioDrift={threshold: 0, action: lower-learning-rate}';
    const options = await guardedRun(lower);
    const run = await runTiny(options);
    expect(alarmsOf(run)).toEqual([['ratioDrift', 1]]);
    expect(eventsOf(run, 'round').map(({ metrics }) => metrics.learningRateScale)).toEqual([1, 0.5, 0.5]);
    const result = await resultOf(options.path);
    expect(result.metrics.map(({ kind }) => kind).slice(0, 3)).toEqual(['evaluation', 'round', 'alarm']);
    expect(result.adapter).not.toBe((await resultOf(undisturbedPath)).adapter);
    const path = `${options.path}-again`;
    const killed = await spawnTiny(
      [await writeConfig(await temporaryFolder(), options.config), path],
      isRound(2),
    );
    expect(killed.signal).toBe('SIGKILL');
    const resumed = await runTiny({ ...options, path, resume: true });
    expect(alarmsOf(resumed)).toEqual([]);
    expect(await resultOf(path)).toEqual(result);
  });

  it('should stop after the round in flight with its best policy, and be over', async () => {
    const options = await guardedRun('guards.ratioDrift={threshold: 0, action: stop}');
    const run = await runTiny(options);
    expect(run.error).toBeUndefined();
    expect(alarmsOf(run)).toEqual([['ratioDrift', 1]]);
    expect(eventsOf(run, 'round')).toHaveLength(1);
    // Only the base model was evaluated before the alarm.
    expect(eventsOf(run, 'finished')).toMatchObject([
      { tuned: { round: 0 }, best: { round: 0 }, stoppedBy: { guard: 'ratioDrift' } },
    ]);
    expect(await readdir(join(options.path, 'checkpoints'))).toEqual(['1']);
    const adapter = await adapterOf(options.path);
    expect(adapter).toEqual(await adapterOf(join(options.path, 'best')));
    expect(adapter).not.toEqual(await adapterOf(join(options.path, 'checkpoints', '1')));
    const result = await resultOf(options.path);
    const resumed = await runTiny({ ...options, resume: true });
    expect(eventsOf(resumed, 'round')).toEqual([]);
    expect(eventsOf(resumed, 'finished')).toMatchObject([{ stoppedBy: { guard: 'ratioDrift' } }]);
    expect(await resultOf(options.path)).toEqual(result);
  });
});

describe('a run with a gate to its samplers', () => {
  const gated = async (path: string, ...overrides: string[]) => {
    const own = await temporaryFolder();
    const gate = 'promotion={action: roll-back, prompts: 1}';
    const options = { config: await tinyConfig(own, { overrides: [...UNGUARDED, gate, ...overrides] }) };
    return { ...options, path: join(own, path) };
  };
  const promotionsOf = (run: EndedRun) => eventsOf(run, 'round').map(({ metrics }) => metrics.promotion);

  it('should train as without one where every policy passes', async () => {
    const options = await gated('passing');
    const run = await runTiny(options);
    expect(run.error).toBeUndefined();
    expect(eventsOf(run, 'alarm')).toEqual([]);
    for (const promotion of promotionsOf(run)) {
      expect(promotion?.isPromoted).toBe(true);
      expect(promotion?.logProbDifference).toBeLessThan(1e-5);
      expect(promotion?.outputChange).toBeGreaterThan(0);
    }
    expect(await adapterOf(options.path)).toEqual(await adapterOf(undisturbedPath));
  });

  it('should go on with the policy before where none passes, and remember it after kill -9', async () => {
    const options = await gated('failing', 'promotion.maxLogProbDifference=1e-12');
    const run = await runTiny(options);
    expect(run.error).toBeUndefined();
    expect(eventsOf(run, 'alarm').map(({ alarm }) => [alarm.guard, alarm.action])).toEqual(
      Array(TINY_STAGES).fill(['promotion', 'roll-back']),
    );
    const { tuned, base } = eventsOf(run, 'finished')[0] as Extract<RunEvent, { kind: 'finished' }>;
    expect(tuned.heldOut).toEqual(base.heldOut);
    for (const { metrics } of eventsOf(run, 'round')) {
      expect(metrics.maxRatioDeviation).toBeLessThan(1e-5);
      expect(metrics.gradNorm).toBeGreaterThan(0);
    }
    const result = await resultOf(options.path);
    const path = `${options.path}-again`;
    await spawnTiny([await writeConfig(await temporaryFolder(), options.config), path], isRound(2));
    await runTiny({ ...options, path, resume: true });
    expect(await resultOf(path)).toEqual(result);
  });
});

describe('a run in a process of its own', () => {
  it('should end by itself when it is done: nothing stays open', async () => {
    const own = await temporaryFolder();
    const ended = await spawnTiny([await writeConfig(own, config), join(own, 'run')]);
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(ended.events.at(-1)?.kind).toBe('finished');
    expect(await resultOf(join(own, 'run'))).toEqual(await resultOf(undisturbedPath));
  });

  it('should end by itself when nobody listens any more', async () => {
    const own = await temporaryFolder();
    const ended = await spawnTiny([await writeConfig(own, config), join(own, 'run'), 'unsubscribe']);
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(ended.events.at(-1)?.kind).toBe('progress');
  });

  it('should go on to the same bytes after kill -9 in the middle of a round', async () => {
    const own = await temporaryFolder();
    const args = [await writeConfig(own, config), join(own, 'run')];
    const killed = await spawnTiny(args, isRound(1));
    expect(killed.signal).toBe('SIGKILL');
    const resumed = await runTiny({ config, path: join(own, 'run'), resume: true });
    expect(resumed.error).toBeUndefined();
    expect(resumed.warnings).toEqual([]);
    expect(eventsOf(resumed, 'round').map(({ metrics }) => metrics.round)).toEqual([1, 2]);
    expect(await resultOf(join(own, 'run'))).toEqual(await resultOf(undisturbedPath));
  });
});
