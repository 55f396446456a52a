/** @file All that can be wrong with a message, sent to a run whose parts are processes of their own. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { openDeadLetters } from '../../src/streams/run/dead-letters.js';
import { openTransport } from '../../src/streams/transport/open-transport.js';
import { runCli } from '../cli/run-cli.js';
import { faultOf } from '../fixtures/fault-of.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { resultOf } from '../fixtures/tiny-run.js';
import { undisturbedTiny } from '../fixtures/undisturbed-tiny.js';
import { type BadRecord, badRecords, VAST_BYTES } from './bad-input.js';
import { BROKERS, connect, freshPrefix, SKIP_REASON } from './cluster.js';
import { startPart } from './start-part.js';

const PARTITIONS = 2;
const VAST_TOPICS = ['images', 'trajectories', 'rewards'];
const STATES = ['schedule', 'policy', 'progress', 'control'];

/** Topics that an operator has made to take far more than the run needs. */
async function createVastTopics(prefix: string): Promise<void> {
  const admin = new Kafka({ brokers: BROKERS, clientId: 'test', logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({
    // On a busy machine a leader may take longer than the client waits for; whoever uses the topics waits for them.
    waitForLeaders: false,
    topics: VAST_TOPICS.map((topic) => ({
      topic: `${prefix}.${topic}`,
      numPartitions: PARTITIONS,
      configEntries: [{ name: 'max.message.bytes', value: String(VAST_BYTES + 2 ** 20) }],
    })),
  });
  await admin.disconnect();
}

async function fixture() {
  const folder = await temporaryFolder();
  const undisturbed = await undisturbedTiny();
  const { transport } = undisturbed.config;
  const store = join(folder, 'payloads');
  const payloads = { type: 'folder' as const, folder: store };
  const prefix = freshPrefix();
  const kafka = { ...transport.kafka, brokers: BROKERS, prefix, partitions: PARTITIONS, payloads };
  const config: ResolvedConfig = {
    ...undisturbed.config,
    transport: { ...transport, kind: 'kafka', kafka },
  };
  const driver = await connect();
  onTestFinished(() => driver.close());
  return { folder, undisturbed, config, prefix, store, driver };
}

/** What was learned; dead letters are counted apart. */
async function learned(path: string) {
  const { adapter, metrics } = await resultOf(path);
  return { adapter, metrics: metrics.map(({ deadLetters, ...line }) => line) };
}

/** The command `dead-letters` for a config. */
async function deadLetters(command: string, file: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(['dead-letters', command, file, ...args]);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

/** The letters of a run, each as `list` says it. */
async function lettersOf(file: string): Promise<Readonly<Record<string, string>>[]> {
  const lines = (await deadLetters('list', file, '--json')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, string>);
}

describe.skipIf(SKIP_REASON !== null)('bad input over Kafka', () => {
  it('should become dead letters, each with its reason, and change nothing of what two samplers and others give', async () => {
    const { folder, undisturbed, config, prefix, store, driver } = await fixture();
    const file = join(folder, 'run.yaml');
    const path = join(folder, 'run');
    await writeFile(file, stringify(config));
    await createVastTopics(prefix);
    const bad = await badRecords(store);
    const start = (roles: string, ...args: string[]) => {
      const part = startPart(file, roles, args);
      onTestFinished(() => part.kill());
      return part;
    };

    const trainer = start('trainer', '--run-dir', path);
    // The topics are there by then, and nobody has written to them.
    await trainer.says('graph ready');
    for (const { topic, record } of bad) await driver.append(`${prefix}.${topic}`, [record]);
    for (const topic of STATES)
      await driver.append(`${prefix}.${topic}`, [{ key: 'run', value: Buffer.from('?'), headers: {} }]);
    const parts = [trainer, start('prompts'), start('sampler'), start('sampler'), start('reward')];
    for (const part of parts) expect(await part.ended).toMatchObject({ code: 0, faults: [] });

    const letters = await lettersOf(file);
    const told = letters.map(({ origin, key, reason }) => ({ origin, key, reason }));
    type Keyed = { readonly key?: string | undefined };
    const byKey = (one: Keyed, other: Keyed) => String(one.key).localeCompare(String(other.key));
    expect(told.sort(byKey)).toEqual(
      bad
        .map(({ topic, key, reason }) => ({ origin: topic, key, reason: expect.stringContaining(reason) }))
        .sort(byKey),
    );
    const warnings = parts.flatMap(({ log }) => log.map(({ msg }) => msg));
    for (const topic of STATES)
      expect(warnings).toContainEqual(
        expect.stringMatching(
          `^topic ${topic}: .*expected schema version 1, got no such header.* older value stays`,
        ),
      );
    expect(await learned(path)).toEqual(await learned(undisturbed.path));

    const letterOf = (wanted: string) => {
      const { position = '' } = letters.find(({ key }) => key === wanted) ?? {};
      return { position, record: bad.find(({ key }) => key === wanted)?.record as BadRecord['record'] };
    };
    // What is too large for a topic lies in the payload store.
    const opened = await openDeadLetters(config, () => undefined);
    onTestFinished(() => opened.close());
    const [vast] = await opened.at([letterOf('vast zeros').position]);
    expect(vast?.headers.payload).toBe('claim');
    const { position, record } = letterOf('half a picture');
    const bytes = join(folder, 'bytes');
    expect(await deadLetters('show', file, position, '--out', bytes)).toContain('header origin: images');
    expect(await readFile(bytes)).toEqual(Buffer.from(record.value));
    const numImages = async () =>
      [...(await driver.endOffsets(`${prefix}.images`)).values()].reduce((sum, end) => sum + end, 0n);
    const before = await numImages();
    expect(await deadLetters('replay', file, position)).toBe(`replayed ${position}\n`);
    expect(await numImages()).toBe(before + 1n);
  }, 240_000);

  it('should be refused if vast, where topics are as the run makes them, and keep nothing else away', async () => {
    const { config, prefix, driver } = await fixture();
    const { transport } = await openTransport({ config, trainer: null, warn: () => undefined });
    onTestFinished(() => transport.close());
    const topic = `${prefix}.rewards`;
    const vast = { key: 'a', value: new Uint8Array(VAST_BYTES), headers: {} };
    expect(await faultOf(() => driver.append(topic, [vast]))).toEqual([
      'TRIB_TRANSPORT',
      expect.stringMatching(/larger than the max message size|too large/),
    ]);
    const rewards = { groupId: '0-0', round: 0, rewards: [1] };
    await transport.publish('rewards', { key: '0-0', message: rewards });
    const ends = await driver.endOffsets(topic);
    expect([...ends.values()]).toEqual([1n]);
  });
});
