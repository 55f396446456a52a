/** @file Prompts that are posted while a run goes on, over a real cluster, through a crash of the process that takes them. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import type { PromptTicket } from '../../src/operators/index.js';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import type { TopicMessages } from '../../src/streams/messages/messages.js';
import type { Transport } from '../../src/streams/transport/contract/transport.js';
import { openTransport } from '../../src/streams/transport/open-transport.js';
import { casesOf } from '../fixtures/test-all.js';
import { metricsOf, TINY_STAGES, tinyConfig } from '../fixtures/tiny-run.js';
import { BROKERS, freshPrefix, SKIP_REASON } from './cluster.js';
import { startPart } from './start-part.js';

const GROUPS = TINY_STAGES * 4;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-incoming-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function incomingConfig(source: string): Promise<ResolvedConfig> {
  const config = await tinyConfig(folder, {
    overrides: [
      'guards.rewardCollapse.action=off',
      'evaluation.verifier=none',
      `stages.prompts.source=${source}`,
    ],
  });
  const prefix = freshPrefix();
  const payloads = { type: 'folder' as const, folder: join(folder, 'payloads') };
  const kafka = { ...config.transport.kafka, brokers: BROKERS, prefix, partitions: 4, payloads };
  return { ...config, transport: { ...config.transport, kind: 'kafka', kafka } };
}

/** Posts until the endpoint takes it, as a client would that finds it away. */
async function postTo(port: number, body: object): Promise<void> {
  await vi.waitFor(
    async () => {
      const response = await fetch(`http://127.0.0.1:${port}/prompts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(202);
    },
    { timeout: 60_000, interval: 200 },
  );
}

/** Works with the topics as a process that takes no part. */
async function besides<Result>(
  config: ResolvedConfig,
  work: (transport: Transport<TopicMessages>) => Promise<Result>,
): Promise<Result> {
  const { transport } = await openTransport({ config, trainer: null, warn: () => undefined });
  return work(transport).finally(() => transport.close());
}

const ticketsOf = (config: ResolvedConfig) =>
  besides(config, async (transport) => {
    const tickets: PromptTicket[] = [];
    await transport.readBack('prompts', (ticket) => void tickets.push(ticket));
    return tickets.sort((a, b) => a.groupIndex - b.groupIndex);
  });

/** Writes the prompts of tickets into their topics once more, as if nobody had acknowledged them. */
const writeAgain = (config: ResolvedConfig, tickets: readonly PromptTicket[]) =>
  besides(config, async (transport) => {
    for (const { prompt, sourceId = '' } of tickets) {
      const [id = '', source] = sourceId.split('/').reverse();
      const topic = source === undefined ? 'incoming-prompts' : `incoming-prompts-${source}`;
      await transport.publish(topic as 'incoming-prompts', { key: id, message: { id, prompt } });
    }
  });

const ONE_TOPIC = (port: number) => `{from: topic, http: {port: ${port}}}`;
const TWO_TOPICS = (port: number, second: number) =>
  `{from: merge, sources: {users: {from: topic, http: {port: ${port}}}, more: {from: topic, weight: 2, http: {port: ${second}}}}}`;

describe.skipIf(SKIP_REASON !== null)('prompts that are posted', () => {
  it.each(
    casesOf(
      [['two merged topics, of which each has the ids of the other', TWO_TOPICS, ['users/', 'more/']]],
      [['one topic', ONE_TOPIC, ['']]],
    ),
  )(
    'should each become one group, through a crash and past one that cannot be read, from %s',
    async (_, source, names) => {
      const ports = [await freePort(), await freePort()] as const;
      const config = await incomingConfig(source(...ports));
      const path = join(folder, `${names.length}.yaml`);
      await writeFile(path, stringify(config));
      const perTopic = GROUPS / names.length;
      const ids = Array.from({ length: perTopic }, (_, index) => `prompt-${index}`);
      const prompts = ids.map((_, index) => (index === 2 ? 'a red cirle' : 'a red circle'));
      /** Posts a part of the prompts of each topic. */
      const post = async (start: number, end: number) => {
        for (const [index, name] of names.entries())
          await postTo(ports[index] ?? 0, {
            prompts: prompts.slice(start, end),
            ids: ids.slice(start, end),
            metadata: ids.slice(start, end).map((id) => ({ id: `${name}${id}`, boxes: [0.5] })),
          });
      };

      const runDir = join(folder, `run-${names.length}`);
      const others = startPart(path, 'trainer,sampler,reward', ['--run-dir', runDir]);
      const first = startPart(path, 'prompts');
      onTestFinished(() => Promise.all([first.kill(), others.kill()]).then(() => undefined));
      // Without the last prompts the run cannot end before the process is back. When that is killed, the first round has its
      // tickets, and the other prompts wait for the next.
      await post(0, perTopic - 1);
      await vi.waitFor(async () => expect((await ticketsOf(config)).length).toBeGreaterThanOrEqual(4), {
        timeout: 60_000,
        interval: 200,
      });
      await first.kill();
      await writeAgain(config, await ticketsOf(config));

      const second = startPart(path, 'prompts');
      onTestFinished(() => second.kill());
      // The client has heard of no answer, and posts again.
      await post(perTopic - 2, perTopic);
      for (const part of [others, second]) expect(await part.ended).toMatchObject({ code: 0, faults: [] });

      const tickets = await ticketsOf(config);
      expect(tickets.map(({ groupIndex }) => groupIndex)).toEqual(
        Array.from({ length: GROUPS }, (_, index) => index),
      );
      expect(tickets.map(({ sourceId }) => sourceId).sort()).toEqual(
        names.flatMap((name) => ids.map((id) => `${name}${id}`)).sort(),
      );
      expect(tickets.map(({ metadata }) => metadata)).toEqual(
        tickets.map(({ sourceId }) => ({ id: sourceId, boxes: [0.5] })),
      );
      const stages = (await metricsOf(runDir)).filter(({ kind }) => kind === 'round');
      const sum = (name: string) => stages.reduce((total, stage) => total + Number(stage[name]), 0);
      const unread = names.length;
      expect([sum('groups'), sum('lostGroups'), sum('deadLetters')]).toEqual([
        GROUPS - unread,
        unread,
        unread,
      ]);
    },
  );
});
