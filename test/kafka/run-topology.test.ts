/** @file The whole loop on a tiny pipeline, over a real cluster: in one process, and each part in its own. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import type { EndedRun } from '../fixtures/tiny-run.js';
import { adapterOf, metricsOf, runTiny, tinyConfig } from '../fixtures/tiny-run.js';
import { BROKERS, freshPrefix, SKIP_REASON } from './cluster.js';
import { startPart } from './start-part.js';

let folder: string;
let inProcess: ResolvedConfig;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-kafka-run-'));
  inProcess = await tinyConfig(folder, { overrides: ['guards.rewardCollapse.action=off'] });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The config over the cluster, on topics of its own. */
function onKafka(prefix = freshPrefix()): ResolvedConfig {
  const { transport } = inProcess;
  const kafka = { ...transport.kafka, brokers: BROKERS, prefix, partitions: 4 };
  const payloads = { type: 'folder' as const, folder: join(folder, 'payloads', prefix) };
  return { ...inProcess, transport: { ...transport, kind: 'kafka', kafka: { ...kafka, payloads } } };
}

const pathOf = (name: string) => join(folder, name);
const resultOf = async (name: string) => ({
  metrics: await metricsOf(pathOf(name)),
  adapter: (await adapterOf(pathOf(name))).toString('base64'),
});
/** In order; when a worker is done with a stage is its own affair. */
const kinds = ({ events }: EndedRun) => events.map(({ kind }) => kind).filter((kind) => kind !== 'worked');

describe.skipIf(SKIP_REASON !== null)('a run over Kafka', () => {
  let undisturbed: EndedRun;
  beforeAll(async () => {
    undisturbed = await runTiny({ config: inProcess, path: pathOf('undisturbed') });
  });

  it('should give in one process what it gives in memory, to the last byte', async () => {
    const run = await runTiny({ config: onKafka(), path: pathOf('one-process') });
    expect(run.error).toBeUndefined();
    expect(run.warnings).toEqual([]);
    expect(kinds(run)).toEqual(kinds(undisturbed));
    expect(await resultOf('one-process')).toEqual(await resultOf('undisturbed'));
  });

  it('should give the same with every part in a process of its own, two samplers among them', async () => {
    const path = join(folder, 'parts.yaml');
    await writeFile(path, stringify(onKafka()));
    const parts = [
      startPart(path, 'trainer', ['--run-dir', pathOf('parts')]),
      startPart(path, 'prompts'),
      startPart(path, 'sampler'),
      startPart(path, 'sampler'),
      startPart(path, 'reward'),
    ];
    onTestFinished(() => Promise.all(parts.map((part) => part.kill())).then(() => undefined));
    for (const part of parts) expect(await part.ended).toMatchObject({ code: 0, faults: [] });
    expect(await resultOf('parts')).toEqual(await resultOf('undisturbed'));
  });

  it('should refuse a second trainer while one holds the run, and a new run on topics that are in use', async () => {
    const config = onKafka();
    const path = join(folder, 'seat.yaml');
    await writeFile(path, stringify(config));
    const first = startPart(path, 'trainer', ['--run-dir', pathOf('first')]);
    onTestFinished(() => first.kill());
    await first.says('policy evaluated');
    const second = startPart(path, 'trainer', ['--run-dir', pathOf('second')]);
    onTestFinished(() => second.kill());
    expect(await second.ended).toMatchObject({
      code: 2,
      faults: [expect.stringMatching(/^error: run .*: expected no active trainer, got tributary process/)],
    });
    await first.kill();
    const third = startPart(path, 'trainer', ['--run-dir', pathOf('third')]);
    onTestFinished(() => third.kill());
    expect(await third.ended).toMatchObject({
      code: 2,
      faults: [expect.stringContaining('expected unused topics, got those of another run')],
    });
  });

  it('should refuse a worker with another config, or other prompts, than the trainer', async () => {
    const config = onKafka();
    const path = join(folder, 'other.yaml');
    await writeFile(path, stringify(config));
    const trainer = startPart(path, 'trainer', ['--run-dir', pathOf('other')]);
    onTestFinished(() => trainer.kill());
    const worker = startPart(path, 'prompts', ['--set', 'seed=4']);
    onTestFinished(() => worker.kill());
    expect(await worker.ended).toMatchObject({
      code: 2,
      faults: [expect.stringContaining('expected the seed, model and stages of the trainer')],
    });
    const list = join(folder, 'other.txt');
    await writeFile(list, 'three green triangles\n');
    const changed = startPart(path, 'prompts', ['--set', `stages.prompts.train=${list}`]);
    onTestFinished(() => changed.kill());
    expect(await changed.ended).toMatchObject({
      code: 2,
      faults: [expect.stringContaining(`train ${list}: expected the prompts of the trainer`)],
    });
  });
});
