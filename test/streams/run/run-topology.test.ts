/** @file The whole loop on a tiny pipeline: the real threads, graphs and files. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { withRounds } from '../../../src/streams/config/resolved/rounds.js';
import { readTrees } from '../../../src/streams/directory/tree-files.js';
import type { Promotion, RunEvent } from '../../../src/streams/messages/run-events.js';
import { spawnTiny } from '../../fixtures/spawn-tiny.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import {
  adapterOf,
  eventsOf,
  isRound,
  kindsOf,
  metricsOf,
  resultOf,
  roundsOf,
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
    // Four groups: the prefix and the fork once, then three branches; eight samples with their trained steps; guidance twice.
    const [short, long] = [
      { sampling: 2 * 4 * (3 + 3), training: 2 * 8 * 2 },
      { sampling: 2 * 4 * (2 + 6), training: 2 * 8 * 3 },
    ];
    expect(rounds.map(({ networkRows }) => networkRows)).toEqual([short, short, long]);
  });

  it('should show trees of groups that it trained on, for the report', async () => {
    const found = await Promise.all([0, 1, 2].map((round) => readTrees(undisturbedPath, round)));
    const rounds = found.map((one) => ('png' in one ? one : expect.fail(one.damage)));
    expect(rounds.map(({ trainedSteps }) => trainedSteps)).toEqual([
      [2, 3],
      [2, 3],
      [1, 2, 3],
    ]);
    for (const { trees, timesteps, trainedSteps } of rounds) {
      expect(timesteps).toHaveLength(4);
      expect(trees).toHaveLength(3);
      for (const { forks, leaves } of trees) {
        expect(forks).toEqual([expect.objectContaining({ step: trainedSteps[0] })]);
        const [best, ...others] = leaves.toSorted((a, b) => b.reward - a.reward);
        expect(best?.advantage).toBeGreaterThan(0);
        expect(others.map(({ advantage }) => advantage && Math.sign(advantage))).toEqual([null, -1]);
      }
    }
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
      ...[0, 1, 2].flatMap((round) => [`trees-000${round}.json`, `trees-000${round}.png`]),
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
});

describe('a run that is stopped', () => {
  it('should save at once before it begins, finish the round in flight later, and go on to the same bytes', async () => {
    const path = join(await temporaryFolder(), 'stopped');
    const atOnce = await runTiny({ config, path, signal: AbortSignal.abort() });
    expect(atOnce.error).toBeUndefined();
    expect(kindsOf(atOnce)).toEqual(['started', 'prompts', 'provider', 'provider', 'provider', 'evaluation']);

    const stop = new AbortController();
    const stopped = await runTiny({
      config,
      path,
      resume: true,
      signal: stop.signal,
      onEvent: (event) => {
        if (isRound(1)(event)) stop.abort();
      },
    });
    expect(stopped.error).toBeUndefined();
    expect(stopped.warnings).toEqual([
      `${path}: expected a checkpoint, got none. The run starts from the beginning.`,
    ]);
    expect(kindsOf(stopped)).not.toContain('finished');
    expect(roundsOf(stopped)).toEqual([0, 1]);
    expect(await adapterOf(path)).not.toEqual(await adapterOf(undisturbedPath));

    const resumed = await runTiny({ config, path, resume: true });
    expect(resumed.error).toBeUndefined();
    expect(roundsOf(resumed)).toEqual([2]);
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

  it('should have nothing left to do where it was whole', async () => {
    const path = join(await temporaryFolder(), 'whole');
    await copyWhole(path);
    const resumed = await runTiny({ config, path, resume: true });
    expect(resumed.error).toBeUndefined();
    expect(roundsOf(resumed)).toEqual([]);
    expect(kindsOf(resumed).at(-1)).toBe('finished');
    expect(await resultOf(path)).toEqual(await resultOf(undisturbedPath));
  });
});

describe('a run that is lengthened', () => {
  it('should go on from its end as one that was longer from the start, its schedule as planned', async () => {
    const own = await temporaryFolder();
    const [path, atOnce] = [join(own, 'lengthened'), join(own, 'at-once')];
    await copyWhole(path);
    const withMore = (plannedRounds?: number) =>
      withRounds(config, ({ numRounds }) => ({ numRounds: numRounds + 1, plannedRounds }));
    const lengthened = await runTiny({ config: withMore(), path, resume: true });
    expect(lengthened.error).toBeUndefined();
    expect(roundsOf(lengthened)).toEqual([TINY_STAGES]);
    expect(eventsOf(lengthened, 'started')[0]?.description).toContainEqual([
      'schedules',
      'spread over 3 of the 4 rounds; the later ones keep their last values',
    ]);
    expect((await runTiny({ config: withMore(TINY_STAGES), path: atOnce })).error).toBeUndefined();
    const [one, other] = [await resultOf(path), await resultOf(atOnce)];
    // The end of the shorter run was measured.
    const isItsEnd = ({ kind, round }: Record<string, unknown>) =>
      kind === 'evaluation' && round === TINY_STAGES;
    expect(one.metrics.filter(isItsEnd)).toHaveLength(1);
    expect({ ...one, metrics: one.metrics.filter((line) => !isItsEnd(line)) }).toEqual(other);
    const whole = await metricsOf(undisturbedPath);
    expect(one.metrics.slice(0, whole.length)).toEqual(whole);
    expect(one.metrics.flatMap(({ kind, firstStep }) => (kind === 'round' ? [firstStep] : []))).toEqual([
      2, 2, 1, 1,
    ]);
  });
});

describe('a run in a process of its own', () => {
  it('should go on after kill -9 in a round, end by itself, and train through a gate as without one', async () => {
    const own = await temporaryFolder();
    const gated = await tinyConfig(own, {
      overrides: [...UNGUARDED, 'promotion={action: roll-back, prompts: 1}'],
    });
    const path = join(own, 'run');
    const args = [await writeConfig(own, gated), path];
    const killed = await spawnTiny(args, isRound(1));
    expect(killed.signal).toBe('SIGKILL');
    const ended = await spawnTiny([...args, 'resume']);
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    const kinds = ended.events.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'round')).toHaveLength(2);
    expect(kinds.at(-1)).toBe('finished');
    for (const unwanted of ['alarm', 'warning', 'error']) expect(kinds).not.toContain(unwanted);

    const { metrics, adapter } = await resultOf(path);
    const promotions = metrics.flatMap(({ promotion }) => (promotion ? [promotion as Promotion] : []));
    expect(promotions).toHaveLength(TINY_STAGES);
    for (const { isPromoted, logProbDifference, outputChange } of promotions) {
      expect(isPromoted).toBe(true);
      expect(logProbDifference).toBeLessThan(1e-5);
      expect(outputChange).toBeGreaterThan(0);
    }
    const withoutGate = metrics.map(({ promotion: _, ...rest }) => rest);
    expect({ metrics: withoutGate, adapter }).toEqual(await resultOf(undisturbedPath));
  });

  it('should end by itself when nobody listens any more', async () => {
    const own = await temporaryFolder();
    const ended = await spawnTiny([await writeConfig(own, config), join(own, 'run'), 'unsubscribe']);
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(ended.events.at(-1)?.kind).toBe('progress');
  });
});
