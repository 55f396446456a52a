/** @file All that can be wrong with a message, sent to a run whose parts are processes of their own. */

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { openTransport } from '../../src/streams/transport/open-transport.js';
import { faultOf } from '../fixtures/fault-of.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { adapterOf, metricsOf, runTiny, TINY_STAGES, tinyConfig } from '../fixtures/tiny-run.js';
import { badRecords } from './bad-input.js';
import { BROKERS, connect, freshPrefix, SKIP_REASON } from './cluster.js';
import { type Part, startPart } from './start-part.js';

const run = promisify(execFile);
const PARTITIONS = 2;
const VAST = 64 * 2 ** 20;
/** More than may wait for the trainer. */
const REPEATS = 100;
const STATES = ['schedule', 'policy', 'progress', 'control'];

/** Topics that an operator has made to take far more than the run needs. */
async function createVastTopics(prefix: string, topics: readonly string[]): Promise<void> {
  const admin = new Kafka({ brokers: BROKERS, clientId: 'test', logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({
    // On a busy machine a leader may take longer than the client waits for; whoever uses the topics waits for them.
    waitForLeaders: false,
    topics: topics.map((topic) => ({
      topic: `${prefix}.${topic}`,
      numPartitions: PARTITIONS,
      configEntries: [{ name: 'max.message.bytes', value: String(VAST) }],
    })),
  });
  await admin.disconnect();
}

async function fixture() {
  const folder = await temporaryFolder();
  const inProcess = await tinyConfig(folder, { overrides: ['guards.rewardCollapse.action=off'] });
  const { transport } = inProcess;
  const store = join(folder, 'payloads');
  const payloads = { type: 'folder' as const, folder: store };
  const prefix = freshPrefix();
  const kafka = { ...transport.kafka, brokers: BROKERS, prefix, partitions: PARTITIONS, payloads };
  const config: ResolvedConfig = { ...inProcess, transport: { ...transport, kind: 'kafka', kafka } };
  const file = join(folder, 'run.yaml');
  await writeFile(file, stringify(config));
  const start = (stages: string, ...args: string[]): Part => {
    const part = startPart(file, stages, args);
    onTestFinished(() => part.kill());
    return part;
  };
  const driver = await connect();
  onTestFinished(() => driver.close());
  return { folder, inProcess, config, file, prefix, store, driver, start };
}

/** Letters of a run, each with what `dead-letters show` would say of it. */
async function lettersOf(file: string): Promise<Readonly<Record<string, string>>[]> {
  const { stdout } = await run(
    process.execPath,
    ['dist/cli/main.js', 'dead-letters', 'list', file, '--json'],
    { maxBuffer: VAST },
  );
  const lines = stdout.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, string>);
}

describe.skipIf(SKIP_REASON !== null)('bad input over Kafka', () => {
  it('should become dead letters, each with its reason, and change nothing of what is learned', async () => {
    const { folder, inProcess, file, prefix, store, driver, start } = await fixture();
    await runTiny({ config: inProcess, path: join(folder, 'undisturbed') });
    await createVastTopics(prefix, ['images', 'trajectories', 'rewards']);
    const bad = await badRecords(store);

    const trainer = start('trainer', '--run-dir', join(folder, 'run'));
    // The topics are there by then, and nobody has written to them.
    await trainer.says('graph ready');
    for (const { topic, record } of bad) await driver.append(`${prefix}.${topic}`, [record]);
    for (const topic of STATES)
      await driver.append(`${prefix}.${topic}`, [{ key: 'run', value: Buffer.from('?'), headers: {} }]);
    const parts = [trainer, start('prompts,sampler'), start('reward')];
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
    expect(await adapterOf(join(folder, 'run'))).toEqual(await adapterOf(join(folder, 'undisturbed')));

    // What is too large for a topic lies in the payload store, whole.
    const vast = bad.find(({ key }) => key === '50 MB of zeros');
    const letter = letters.find(({ key }) => key === '50 MB of zeros');
    const shown = await run(process.execPath, [
      'dist/cli/main.js',
      'dead-letters',
      'show',
      file,
      letter?.position ?? '',
    ]);
    expect(shown.stdout).toContain('header payload: claim');
    expect(vast?.record.value.length).toBe(50 * 2 ** 20);
  }, 240_000);

  it('should refuse 50 MB at the door where topics are as the run makes them, and take what comes after', async () => {
    const { config, prefix, driver } = await fixture();
    const { transport } = await openTransport({ config, trainer: null, warn: () => undefined });
    onTestFinished(() => transport.close());
    const topic = `${prefix}.rewards`;
    const vast = { key: 'a', value: new Uint8Array(50 * 2 ** 20), headers: {} };
    expect(await faultOf(() => driver.append(topic, [vast]))).toEqual([
      'TRIB_TRANSPORT',
      expect.stringMatching(/larger than the max message size|too large/),
    ]);
    const rewards = { groupId: '0-0', round: 0, rewards: [1] };
    await transport.publish('rewards', { key: '0-0', message: rewards });
    const ends = await driver.endOffsets(topic);
    expect([...ends.values()]).toEqual([1n]);
  });

  it('should count rewards that come again, however many, and groups whose rewards are too few, or vast', async () => {
    const { folder, config, file, start } = await fixture();
    const { transport } = await openTransport({ config, trainer: null, warn: () => undefined });
    onTestFinished(() => transport.close());
    const trainer = start('trainer', '--run-dir', join(folder, 'run'));
    await trainer.says('graph ready');
    // Before the reward worker is there to be first.
    const few = { groupId: '1-3', round: 1, rewards: [1, 2] };
    await transport.publish('rewards', { key: few.groupId, message: few });
    const vast = { groupId: '0-2', round: 0, rewards: [1, 1e200, 2] };
    await transport.publish('rewards', { key: vast.groupId, message: vast });
    for (let i = 0; i < REPEATS; i++) await transport.publish('rewards', { key: few.groupId, message: few });
    const again = transport
      .subscribe({ topic: 'rewards', consumerGroup: 'test', maxInFlight: 64 })
      .subscribe(({ message, key, headers, ack }) => {
        ack();
        if (headers.again) return;
        const again = { headers: { again: 'yes' } };
        void transport.publish('rewards', { key: `${key} again`, message, ...again });
        void transport.publish('rewards', { key, message: { ...message, rewards: [9, 9, 9] }, ...again });
      });
    onTestFinished(() => again.unsubscribe());
    const parts = [trainer, start('prompts,sampler'), start('reward')];
    for (const part of parts) expect(await part.ended).toMatchObject({ code: 0, faults: [] });

    const stages = (await metricsOf(join(folder, 'run'))).filter(({ kind }) => kind === 'round');
    const sum = (name: string, from: readonly Readonly<Record<string, unknown>>[] = stages) =>
      from.reduce((total, one) => total + Number(one[name]), 0);
    expect(stages).toHaveLength(TINY_STAGES);
    expect([sum('groups'), sum('lostGroups')]).toEqual([TINY_STAGES * 4 - 2, 2]);
    expect(trainer.log.map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/^group 1-3 is not trained on \(dead-letter\): .*expected 3 rewards, got 2/),
    );
    const letters = (await lettersOf(file)).map(({ key, reason }) => `${key}: ${reason}`).sort();
    expect(letters).toEqual([
      expect.stringMatching(/^0-2: .*expected a reward from -1e\+15 to 1e\+15 for branch 1, got 1e\+200\./),
      expect.stringMatching(/^1-3: .*expected 3 rewards, got 2\./),
    ]);
    const passedOver = trainer.log.filter(({ msg }) => msg === 'messages skipped');
    // Many of a group that waits for its others, and none takes the room of those.
    expect(sum('repeated', passedOver)).toBeGreaterThanOrEqual(REPEATS);
    expect(await readFile(join(folder, 'run', 'metrics.jsonl'), 'utf8')).not.toContain('passed-over');
  }, 240_000);
});
