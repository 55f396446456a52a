/** @file A run of the tiny pipeline whose rules are all of one's own: those of examples/own/. */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { loadTopology, type RunEvent, type Topology, train } from '../../src/library/index.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { tinyConfig } from '../fixtures/tiny-run.js';

const guard = join(import.meta.dirname, 'failing-guard.mjs');
const own = (name: string) => join(process.cwd(), 'examples/own', `${name}.js`);

async function topologyIn(folder: string): Promise<Topology> {
  const { stages, ...rest } = await tinyConfig(folder, { overrides: ['stages.prompts.numRounds=2'] });
  const { prompts, sampler, trainer } = stages;
  const path = join(folder, 'own.yaml');
  const config = {
    ...rest,
    stages: {
      prompts,
      schedule: { type: 'schedule', mode: 'module', module: own('schedule') },
      sampler: { ...sampler, forkPlan: 'module', forkModule: { module: own('fork-plan') } },
      reward: { type: 'reward', from: 'module', path: own('reward'), options: { gain: 2 } },
      advantages: { type: 'advantages', rule: 'module', module: own('advantage-rule') },
      trainer: { ...trainer, surrogate: { type: 'module', module: own('surrogate') } },
    },
    guards: { own: { counting: { module: guard, action: 'warn' } } },
  };
  await writeFile(path, stringify(config));
  return loadTopology(path);
}

interface Ended {
  readonly events: readonly RunEvent[];
  readonly error?: { readonly code: string; readonly message: string };
}

async function ended(topology: Topology, options: Parameters<typeof train>[1]): Promise<Ended> {
  const events: RunEvent[] = [];
  const error = await train(topology, options)
    .forEach((event) => void events.push(event))
    .then(
      () => undefined,
      (cause: Ended['error']) => cause,
    );
  return { events, ...(error && { error }) };
}

it('should train by modules of the user, keep what was saved where one throws, and go on', async () => {
  const folder = await temporaryFolder();
  const topology = await topologyIn(folder);
  const runDirectory = join(folder, 'run');

  process.env.TRIBUTARY_TEST_FAILS = 'yes';
  const failed = await ended(topology, { runDirectory });
  delete process.env.TRIBUTARY_TEST_FAILS;
  expect(failed.error).toMatchObject({
    code: 'TRIB_CONFIG',
    message: expect.stringMatching(
      /^guard counting \(.*failing-guard.mjs\): expected its measure to return, got "Error: no idea"/,
    ),
  });
  expect(await readdir(join(runDirectory, 'checkpoints'))).toEqual(['1']);

  const other = structuredClone(topology) as { stages: Record<string, { sha256?: string }> };
  Object.assign(other.stages.advantages ?? {}, { sha256: '0'.repeat(64) });
  const refused = await ended(other as unknown as Topology, { runDirectory, resume: true });
  expect(refused.error).toMatchObject({
    code: 'TRIB_CHECKPOINT',
    message: expect.stringContaining('stages.advantages.sha256: expected '),
  });

  const { events, error } = await ended(topology, { runDirectory, resume: true });
  expect(error).toBeUndefined();
  const rounds = [...failed.events, ...events].flatMap((event) =>
    event.kind === 'round' ? [event.metrics] : [],
  );
  // The schedule trains the last half, then all steps; the failed round comes twice. The rule keeps two branches of three.
  expect(rounds.map(({ trainedSteps }) => trainedSteps)).toEqual([
    [2, 3],
    [0, 1, 2, 3],
    [0, 1, 2, 3],
  ]);
  expect(rounds[0]?.selectedSamples).toBe(8);
  expect(rounds.at(-1)?.gradNorm).toBeGreaterThan(0);
  const alarms = events.flatMap((event) => (event.kind === 'alarm' ? [event.alarm] : []));
  expect(alarms.map(({ message }) => message)).toEqual([]);
  const first = failed.events.flatMap((event) => (event.kind === 'alarm' ? [event.alarm] : []));
  expect(first.map(({ guard, message }) => [guard, message])).toEqual([
    ['counting', 'guard counting after 1 round: expected at most 0 rounds, got 1. Stop.'],
  ]);
  expect(events.at(-1)?.kind).toBe('finished');
  const saved = parse(await readFile(join(runDirectory, 'config.yaml'), 'utf8'));
  expect(saved.stages.trainer.surrogate).toEqual({
    type: 'module',
    module: own('surrogate'),
    options: { clipRange: 1e-4 },
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(saved.stages.sampler.forkModule.options).toEqual({ stepsBefore: 1 });
});
