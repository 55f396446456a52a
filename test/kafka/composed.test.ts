/** @file A composed topology over a real cluster gives what it gives in memory, whichever process runs which stage. */

import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { openRunDirectory } from '../../src/streams/directory/run-directory.js';
import { runTopology } from '../../src/streams/run/run-topology.js';
import { runWorkers } from '../../src/streams/run/run-workers.js';
import { composedTiny } from '../fixtures/composed-tiny.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { resultOf, runTiny } from '../fixtures/tiny-run.js';
import { BROKERS, freshPrefix, SKIP_REASON } from './cluster.js';

describe.skipIf(SKIP_REASON !== null)('a composed run over Kafka', () => {
  it('should give the same bytes as in memory, with the second reward in another process', async () => {
    const folder = await temporaryFolder();
    const inMemory = await composedTiny(folder);
    const [here, there] = [join(folder, 'here'), join(folder, 'there')];
    expect((await runTiny({ config: inMemory, path: here })).error).toBeUndefined();

    const { transport } = inMemory;
    const payloads = { type: 'folder' as const, folder: join(folder, 'payloads') };
    const kafka = { ...transport.kafka, brokers: BROKERS, prefix: freshPrefix(), partitions: 4, payloads };
    const config: ResolvedConfig = { ...inMemory, transport: { ...transport, kind: 'kafka', kafka } };
    const { signal } = new AbortController();
    const working = lastValueFrom(runWorkers({ config, roles: ['red'], signal }), { defaultValue: null });
    const runDirectory = await openRunDirectory({
      config,
      path: there,
      resume: false,
      warn: () => undefined,
    });
    const roles = ['prompts', 'sampler', 'reward', 'trainer'];
    await lastValueFrom(runTopology({ runDirectory, roles, signal }));
    await runDirectory.release();
    await working;
    expect(await resultOf(there)).toEqual(await resultOf(here));
  });
});
