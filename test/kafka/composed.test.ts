/** @file A composed topology over a real cluster gives what it gives in memory, whichever process runs which stage. */

import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { openRunDirectory } from '../../src/streams/directory/run-directory.js';
import { runTopology } from '../../src/streams/run/run-topology.js';
import { composedTiny } from '../fixtures/composed-tiny.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { resultOf, runTiny } from '../fixtures/tiny-run.js';
import { BROKERS, freshPrefix, SKIP_REASON } from './cluster.js';
import { startPart } from './start-part.js';

const OWN = resolve('examples/own');

/** The composed run with a schedule, a fork plan, a surrogate and a guard of one's own. */
const ownTiny = (folder: string) =>
  composedTiny(folder, [
    `stages.schedule={type: schedule, mode: module, module: ${OWN}/schedule.js}`,
    'stages.sampler.forkPlan=module',
    `stages.sampler.forkModule={module: ${OWN}/fork-plan.js}`,
    `stages.trainer.surrogate={type: module, module: ${OWN}/surrogate.js, options: {clipRange: 0.1}}`,
    `guards.own={overfitting: {module: ${OWN}/guard.js, action: warn}}`,
  ]);

/** Copies what a config names to another folder, as on a machine that has its own files, and writes the config there. */
async function writeElsewhere(config: ResolvedConfig, folder: string): Promise<string> {
  const elsewhere = await temporaryFolder();
  await cp(folder, elsewhere, { recursive: true });
  await cp(OWN, join(elsewhere, 'own'), { recursive: true });
  // As in a project that has installed the package.
  await writeFile(join(elsewhere, 'package.json'), '{"type": "module"}');
  await mkdir(join(elsewhere, 'node_modules'));
  await symlink(resolve('.'), join(elsewhere, 'node_modules', 'tributary-rl'));
  const file = join(elsewhere, 'run.json');
  const stages = JSON.stringify(config.stages).replaceAll(OWN, join(elsewhere, 'own'));
  const placed = stages.replaceAll(folder, elsewhere);
  await writeFile(file, JSON.stringify({ ...config, stages: JSON.parse(placed) }));
  return file;
}

describe.skipIf(SKIP_REASON !== null)('a composed run over Kafka', () => {
  it('should give the same bytes as in memory, with samplers, operator and a reward in a process with modules elsewhere', async () => {
    const folder = await temporaryFolder();
    const inMemory = await ownTiny(folder);
    const { transport } = inMemory;
    const payloads = { type: 'folder' as const, folder: join(await temporaryFolder(), 'payloads') };
    const kafka = { ...transport.kafka, brokers: BROKERS, prefix: freshPrefix(), partitions: 4, payloads };
    const config: ResolvedConfig = { ...inMemory, transport: { ...transport, kind: 'kafka', kafka } };
    const worker = startPart(await writeElsewhere(config, folder), 'sampler,red');
    onTestFinished(() => worker.kill());
    const [here, there] = [join(folder, 'here'), join(folder, 'there')];
    expect((await runTiny({ config: inMemory, path: here })).error).toBeUndefined();

    const runDirectory = await openRunDirectory({
      config,
      path: there,
      resume: false,
      warn: () => undefined,
    });
    const roles = ['prompts', 'reward', 'trainer'];
    const { signal } = new AbortController();
    const finished = lastValueFrom(runTopology({ runDirectory, roles, signal }));
    const refused = worker.ended.then(({ code, faults }) =>
      code === 0 ? finished : Promise.reject(new Error(`the worker ended with ${code}: ${faults.join(' ')}`)),
    );
    await Promise.race([finished, refused]);
    await runDirectory.release();
    expect(await worker.ended).toMatchObject({ code: 0, faults: [] });
    expect(await resultOf(there)).toEqual(await resultOf(here));
  });
});
