/** @file The whole loop on a tiny pipeline, over a real cluster, and who may take part in it. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { progressAt } from '../../src/streams/config/resolved/progress-at.js';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { runWorkers } from '../../src/streams/run/run-workers.js';
import { openTransport } from '../../src/streams/transport/open-transport.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { kindsOf, resultOf, runTiny } from '../fixtures/tiny-run.js';
import { undisturbedTiny } from '../fixtures/undisturbed-tiny.js';
import { BROKERS, freshPrefix, SKIP_REASON } from './cluster.js';

const warn = () => undefined;

/** The config of the undisturbed run over the cluster, on topics of its own. */
async function onKafka(folder: string): Promise<ResolvedConfig> {
  const { config } = await undisturbedTiny();
  const { transport } = config;
  const payloads = { type: 'folder' as const, folder: join(folder, 'payloads') };
  const kafka = { ...transport.kafka, brokers: BROKERS, prefix: freshPrefix(), partitions: 4, payloads };
  return { ...config, transport: { ...transport, kind: 'kafka', kafka } };
}

describe.skipIf(SKIP_REASON !== null)('a run over Kafka', () => {
  it('should give in one process what it gives in memory, and refuse workers with other settings or prompts', async () => {
    const folder = await temporaryFolder();
    const undisturbed = await undisturbedTiny();
    const config = await onKafka(folder);
    const path = join(folder, 'run');
    const run = await runTiny({ config, path });
    expect(run.error).toBeUndefined();
    expect(run.warnings).toEqual([]);
    expect(kindsOf(run)).toEqual(kindsOf(undisturbed.run));
    expect(await resultOf(path)).toEqual(await resultOf(undisturbed.path));

    // As if the run went on, by what its trainer has said of itself.
    const { transport } = await openTransport({ config, trainer: null, warn });
    onTestFinished(() => transport.close());
    const last = await transport.newest('progress');
    if (last === null) throw new Error('expected the trainer to say how far it is');
    await transport.publish('progress', { key: 'run', message: { ...last, isOver: false } });
    const worker = (other: ResolvedConfig) =>
      lastValueFrom(runWorkers({ config: other, roles: ['prompts'], signal: new AbortController().signal }));
    await expect(worker({ ...config, seed: 4 })).rejects.toMatchObject({
      code: 'TRIB_CONFIG',
      message: expect.stringContaining('expected the seed, model and stages of the trainer'),
    });
    const list = join(folder, 'other.txt');
    await writeFile(list, 'three green triangles\n');
    const { prompts } = config.stages;
    const others = { ...config, stages: { ...config.stages, prompts: { ...prompts, train: list } } };
    await expect(worker(others as ResolvedConfig)).rejects.toMatchObject({
      code: 'TRIB_CONFIG',
      message: expect.stringContaining(`train ${list}: expected the prompts of the trainer`),
    });
  });

  it('should have one trainer and one process that gives prompts to groups, and topics of its own', async () => {
    const config = await onKafka(await temporaryFolder());
    const trainer = { isResumed: false, startAt: null };
    const first = await openTransport({ config, trainer, assignsPrompts: true, warn });
    onTestFinished(() => first.transport.close());
    await first.transport.publish('progress', { key: 'run', message: progressAt(config, 0) });
    // Each waits for its seat as long as for that of a process that died.
    await Promise.all([
      expect(openTransport({ config, trainer, warn })).rejects.toMatchObject({
        code: 'TRIB_USAGE',
        message: expect.stringMatching(/^run .*: expected no active trainer, got tributary process/),
      }),
      expect(openTransport({ config, trainer: null, assignsPrompts: true, warn })).rejects.toMatchObject({
        code: 'TRIB_USAGE',
        message: expect.stringContaining('expected no active process with the prompts role'),
      }),
    ]);
    await first.transport.close();
    await expect(openTransport({ config, trainer, warn })).rejects.toMatchObject({
      code: 'TRIB_USAGE',
      message: expect.stringContaining('expected unused topics, got those of another run'),
    });
  });
});
