/** @file Runs that their guards, or the gate to the samplers, interfere with. */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ResolvedConfig } from '../../../src/streams/config/schema/topology-schema.js';
import type { RunEvent } from '../../../src/streams/messages/run-events.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import {
  adapterOf,
  type EndedRun,
  eventsOf,
  isRound,
  resultOf,
  roundsOf,
  runTiny,
  tinyConfig,
  UNGUARDED,
} from '../../fixtures/tiny-run.js';
import { snapshot, undisturbedTiny } from '../../fixtures/undisturbed-tiny.js';

const { config, path: undisturbedPath } = await undisturbedTiny();

const alarmsOf = (run: EndedRun) => eventsOf(run, 'alarm').map(({ alarm }) => [alarm.guard, alarm.round]);

describe('a run with a guard that stops it', () => {
  let options: { config: ResolvedConfig; path: string };
  let run: EndedRun;
  beforeAll(async () => {
    const { guards } = config;
    const ratioDrift = { threshold: 0, action: 'stop' as const };
    const path = await mkdtemp(join(tmpdir(), 'tributary-guarded-'));
    options = { config: { ...config, seed: 4, guards: { ...guards, ratioDrift } }, path: join(path, 'run') };
    run = await runTiny(options);
    return () => rm(path, { recursive: true, force: true });
  });

  it('should stop after the round in flight with its best policy, and be over', async () => {
    expect(run.error).toBeUndefined();
    expect(alarmsOf(run)).toEqual([['ratioDrift', 1]]);
    expect(roundsOf(run)).toEqual([0]);
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
    expect(roundsOf(resumed)).toEqual([]);
    expect(eventsOf(resumed, 'finished')).toMatchObject([{ stoppedBy: { guard: 'ratioDrift' } }]);
    expect(await resultOf(options.path)).toEqual(result);
  });

  it('should give other bytes with another seed', async () => {
    const [one, other] = [undisturbedPath, options.path].map((path) => join(path, 'checkpoints', '1'));
    expect(await adapterOf(other as string)).not.toEqual(await adapterOf(one as string));
  });
});

describe('a run with a guard that slows it, and a gate to its samplers that no policy passes', () => {
  it('should halve the rate once, go on with the policy before, and remember both after a crash', async () => {
    const own = await temporaryFolder();
    const guarded = await tinyConfig(own, {
      overrides: [
        ...UNGUARDED,
        'stages.prompts.numRounds=2',
        'guards.ratioDrift={threshold: 0, action: lower-learning-rate}',
        'promotion={action: roll-back, prompts: 1, maxLogProbDifference: 1e-12}',
      ],
    });
    const [path, crashed] = [join(own, 'run'), join(own, 'crashed')];
    let hasCrashed = false;
    const run = await runTiny({
      config: guarded,
      path,
      onEvent: (event) => {
        if (hasCrashed || !isRound(1)(event)) return;
        hasCrashed = true;
        snapshot(path, crashed);
      },
    });
    expect(run.error).toBeUndefined();
    expect(alarmsOf(run)).toEqual([
      ['promotion', 1],
      ['ratioDrift', 1],
      ['promotion', 2],
    ]);
    expect(new Set(eventsOf(run, 'alarm').map(({ alarm }) => alarm.action))).toEqual(
      new Set(['roll-back', 'lower-learning-rate']),
    );
    const rounds = eventsOf(run, 'round').map(({ metrics }) => metrics);
    expect(rounds.map(({ learningRateScale }) => learningRateScale)).toEqual([1, 0.5]);
    for (const metrics of rounds) {
      expect(metrics.maxRatioDeviation).toBeLessThan(1e-5);
      expect(metrics.gradNorm).toBeGreaterThan(0);
    }
    const { tuned, base } = eventsOf(run, 'finished')[0] as Extract<RunEvent, { kind: 'finished' }>;
    expect(tuned.heldOut).toEqual(base.heldOut);
    const result = await resultOf(path);
    const logged = ['evaluation', 'round', 'alarm', 'alarm', 'round', 'alarm', 'evaluation'];
    expect(result.metrics.map(({ kind }) => kind)).toEqual(logged);

    const resumed = await runTiny({ config: guarded, path: crashed, resume: true });
    expect(alarmsOf(resumed)).toEqual([['promotion', 2]]);
    expect(await resultOf(crashed)).toEqual(result);
  });
});
