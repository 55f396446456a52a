/** @file Runs in half precision, on the CPU: the same way through the streams, and the same bytes when they are resumed. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { RunEvent } from '../../../src/streams/messages/run-events.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { adapterOf, eventsOf, metricsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';
import { snapshot } from '../../fixtures/undisturbed-tiny.js';

const HALF = [
  'model.precision=float16',
  'stages.prompts.numRounds=2',
  'checkpoints.everyRounds=1',
  'evaluation.imagesPerPrompt=1',
  // The scale grows in the first round and is read in the second.
  'stages.trainer.lossScale.growthInterval=2',
  'stages.sampler.numBranches=2',
  'stages.schedule.first=1',
  'stages.schedule.last=1',
];

const isFirstCheckpoint = (event: RunEvent) => event.kind === 'checkpoint' && event.path.endsWith('1');

it('should train in half precision, and go on from a checkpoint to the same bytes', async () => {
  const folder = await temporaryFolder();
  const config = await tinyConfig(folder, { overrides: HALF });
  const [whole, resumed] = [join(folder, 'whole'), join(folder, 'resumed')];
  const run = await runTiny({
    config,
    path: whole,
    onEvent: (event) => {
      if (isFirstCheckpoint(event)) snapshot(whole, resumed);
    },
  });
  expect(run.error).toBe(undefined);
  const rounds = eventsOf(run, 'round').map(({ metrics }) => metrics);
  expect(rounds).toHaveLength(2);
  for (const { maxRatioDeviation, optimizerSteps, lossScaling } of rounds) {
    expect(maxRatioDeviation).toBeLessThan(2e-2);
    expect(optimizerSteps).toBeGreaterThan(0);
    expect(lossScaling?.skippedUpdates).toBe(0);
  }
  expect(rounds[0]?.lossScaling?.scale).toBeGreaterThan(65536);
  const saved = JSON.parse(await readFile(join(whole, 'checkpoints', '2', 'loss-scale.json'), 'utf8'));
  expect(saved.scale).toBe(rounds[1]?.lossScaling?.scale);

  expect((await runTiny({ config, path: resumed, resume: true })).error).toBe(undefined);
  expect((await adapterOf(resumed)).equals(await adapterOf(whole))).toBe(true);
  expect(await metricsOf(resumed)).toEqual(await metricsOf(whole));
}, 300_000);
