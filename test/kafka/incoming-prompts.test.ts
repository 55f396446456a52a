/** @file Prompts that are posted while a run goes on, over a real cluster, through a crash of the process that takes them. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { stringify } from 'yaml';
import type { PromptTicket } from '../../src/operators/index.js';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { openTransport } from '../../src/streams/transport/open-transport.js';
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

async function incomingConfig(port: number): Promise<ResolvedConfig> {
  const config = await tinyConfig(folder, {
    overrides: [
      'guards.rewardCollapse.action=off',
      'evaluation.verifier=none',
      `stages.prompts.source={from: topic, http: {port: ${port}}}`,
    ],
  });
  const prefix = freshPrefix();
  const payloads = { type: 'folder' as const, folder: join(folder, 'payloads') };
  const kafka = { ...config.transport.kafka, brokers: BROKERS, prefix, partitions: 4, payloads };
  return { ...config, transport: { ...config.transport, kind: 'kafka', kafka } };
}

/** Posts until the endpoint takes it, as a client would that finds it away. */
async function post(port: number, body: object): Promise<void> {
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

async function ticketsOf(config: ResolvedConfig): Promise<PromptTicket[]> {
  const { transport } = await openTransport({ config, trainer: null, warn: () => undefined });
  try {
    const tickets: PromptTicket[] = [];
    await transport.readBack('prompts', (ticket) => void tickets.push(ticket));
    return tickets.sort((a, b) => a.groupIndex - b.groupIndex);
  } finally {
    await transport.close();
  }
}

describe.skipIf(SKIP_REASON !== null)('prompts that are posted', () => {
  it('should each become one group, through a crash and past one that cannot be read', async () => {
    const port = await freePort();
    const config = await incomingConfig(port);
    const path = join(folder, 'incoming.yaml');
    await writeFile(path, stringify(config));
    const ids = Array.from({ length: GROUPS }, (_, index) => `prompt-${index}`);
    const prompts = ids.map((_, index) => (index === 2 ? 'a red cirle' : 'a red circle'));
    const postFrom = (start: number, end: number) =>
      post(port, {
        prompts: prompts.slice(start, end),
        ids: ids.slice(start, end),
        metadata: ids.slice(start, end).map((id) => ({ id, boxes: [0.5] })),
      });

    const runDir = join(folder, 'run');
    const others = startPart(path, 'trainer,sampler,reward', ['--run-dir', runDir]);
    const first = startPart(path, 'prompts');
    onTestFinished(() => Promise.all([first.kill(), others.kill()]).then(() => undefined));
    // Half of the second stage: it cannot be trained before the process is back.
    await postFrom(0, 6);
    await vi.waitFor(async () => expect(await ticketsOf(config)).toHaveLength(6), {
      timeout: 60_000,
      interval: 200,
    });
    await first.kill();

    const second = startPart(path, 'prompts');
    onTestFinished(() => second.kill());
    // The client has heard of no answer, and posts again.
    await postFrom(4, GROUPS);
    for (const part of [others, second]) expect(await part.ended).toMatchObject({ code: 0, faults: [] });

    const tickets = await ticketsOf(config);
    expect(tickets.map(({ groupIndex }) => groupIndex)).toEqual([...ids.keys()]);
    expect(tickets.map(({ sourceId }) => sourceId).sort()).toEqual(ids.toSorted());
    expect(tickets.map(({ metadata }) => metadata)).toEqual(
      tickets.map(({ sourceId }) => ({ id: sourceId, boxes: [0.5] })),
    );
    const stages = (await metricsOf(runDir)).filter(({ kind }) => kind === 'round');
    const sum = (name: string) => stages.reduce((total, stage) => total + Number(stage[name]), 0);
    expect([sum('groups'), sum('lostGroups'), sum('deadLetters')]).toEqual([GROUPS - 1, 1, 1]);
  });
});
