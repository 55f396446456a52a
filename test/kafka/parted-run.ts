/** @file A run over the cluster, its parts in processes that a test starts and kills; it may write the rewards itself, when it likes. */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filter, firstValueFrom } from 'rxjs';
import { expect, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import type { PolicySnapshot, Progress, TopicMessages } from '../../src/streams/messages/messages.js';
import type { RoundMetrics } from '../../src/streams/messages/run-events.js';
import type { Transport } from '../../src/streams/transport/contract/transport.js';
import { readToEnd } from '../../src/streams/transport/kafka/read-to-end.js';
import { openTransport } from '../../src/streams/transport/open-transport.js';
import { WIRE_CODECS } from '../../src/streams/transport/wire/wire-codecs.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { metricsOf, tinyConfig } from '../fixtures/tiny-run.js';
import { BROKERS, connect, freshPrefix } from './cluster.js';
import { type Part, startPart } from './start-part.js';

const BRANCHES = 3;
const PATIENCE = { timeout: 240_000, interval: 50 };

interface PartedRun {
  readonly config: ResolvedConfig;
  readonly path: string;
  /** The transport of a process that takes no part. */
  readonly transport: Transport<TopicMessages>;
  /** Starts a process with these roles; where the trainer is one of them, it goes on with the run if there is one. */
  start(roles: string): Part;
  /** Waits until all groups of a round are sampled. */
  sampled(round: number): Promise<void>;
  /** Waits until the samplers and reward workers are told to let go of a round, before that is trained. */
  closedByTime(round: number): Promise<void>;
  /**
   * Writes the rewards of groups, which are what their indices say, and what a reward worker would count of them, unless they
   * come from people, who count nothing.
   */
  reward(round: number, indices: readonly number[], by?: 'worker' | 'people'): Promise<void>;
  /** Waits for a round that is trained and logged. */
  trained(round: number): Promise<void>;
  /** Waits for a checkpoint of so many complete rounds. */
  saved(completeRounds: number): Promise<void>;
  rounds(): Promise<readonly RoundMetrics[]>;
  /** All that the policy topic holds, in order. */
  policies(): Promise<readonly PolicySnapshot[]>;
}

/** Makes a run of four groups a round; overrides as `--set` takes them. */
export async function partedRun(overrides: readonly string[]): Promise<PartedRun> {
  const folder = await temporaryFolder();
  const quiet = ['guards.rewardCollapse.action=off', 'guards.zeroSpreadGroups.action=off'];
  const rare = ['evaluation.verifier=none', 'evaluation.everyRounds=100'];
  const inProcess = await tinyConfig(folder, { overrides: [...quiet, ...rare, ...overrides] });
  const payloads = { type: 'folder' as const, folder: join(folder, 'payloads') };
  // More partitions than groups in flight: some have nothing yet when others are at work.
  const kafka = { brokers: BROKERS, prefix: freshPrefix(), partitions: 8, payloads };
  const config: ResolvedConfig = {
    ...inProcess,
    transport: {
      ...inProcess.transport,
      kind: 'kafka',
      kafka: { ...inProcess.transport.kafka, ...kafka },
    },
  };
  const file = join(folder, 'run.yaml');
  const path = join(folder, 'run');
  await writeFile(file, stringify(config));
  const { transport } = await openTransport({ config, trainer: null, warn: () => undefined });
  onTestFinished(() => transport.close());
  const sampled = new Set<string>();
  const reading = transport
    .subscribe({ topic: 'trajectories', consumerGroup: 'test', maxInFlight: 16 })
    .subscribe(({ message, ack }) => {
      sampled.add(message.groupId);
      ack();
    });
  onTestFinished(() => reading.unsubscribe());
  const start = (roles: string): Part => {
    const part = startPart(file, roles, roles.includes('trainer') ? ['--run-dir', path] : []);
    onTestFinished(() => part.kill());
    return part;
  };
  const rounds = async () =>
    (await metricsOf(path).catch(() => [])).filter(
      ({ kind }) => kind === 'round',
    ) as unknown as RoundMetrics[];
  return {
    config,
    path,
    transport,
    start,
    sampled: (round) =>
      vi.waitFor(
        () => expect([...sampled].filter((id) => id.startsWith(`${round}-`))).toHaveLength(4),
        PATIENCE,
      ),
    async closedByTime(round) {
      const isClosed = (progress: Progress) =>
        progress.round === round && progress.finishedGroups === 4 * (round + 1);
      await firstValueFrom(transport.latest('progress').pipe(filter(isClosed)));
    },
    async reward(round, indices, by = 'worker') {
      for (const index of indices) {
        const groupId = `${round}-${index}`;
        const rewards = Array.from({ length: BRANCHES }, (_, branch) => (branch * (1 + (index % 2))) % 3);
        const scored = { kind: 'scored' as const, groupId, round, images: BRANCHES, verdicts: null };
        // In the order of a reward worker.
        if (by === 'worker') await transport.publish('metrics', { key: groupId, message: scored });
        await transport.publish('rewards', { key: groupId, message: { groupId, round, rewards } });
      }
    },
    trained: (round) =>
      vi.waitFor(async () => expect((await rounds()).at(-1)?.round).toBeGreaterThanOrEqual(round), PATIENCE),
    saved: (completeRounds) =>
      vi.waitFor(
        async () => expect(await readdir(join(path, 'checkpoints'))).toContain(String(completeRounds)),
        PATIENCE,
      ),
    rounds,
    async policies() {
      const driver = await connect();
      onTestFinished(() => driver.close());
      const policies: PolicySnapshot[] = [];
      await readToEnd(driver, `${kafka.prefix}.policy`, ({ value }) => {
        policies.push(WIRE_CODECS.policy.decode(value));
      });
      return policies;
    },
  };
}

/** Breaks a file of a checkpoint, as a disk might. */
export async function damageCheckpoint(path: string, completeRounds: number): Promise<void> {
  const file = join(path, 'checkpoints', String(completeRounds), 'state.json');
  const bytes = await readFile(file);
  await writeFile(file, bytes.subarray(0, bytes.length / 2));
}
