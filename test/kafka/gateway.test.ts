/** @file Two gateways, their samplers and the trainer over a real cluster: what is asked at one may be judged at the other. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ResolvedConfig } from '../../src/streams/config/schema/topology-schema.js';
import { runWorkers } from '../../src/streams/run/run-workers.js';
import type { Desk } from '../../src/streams/stages/gateway/desk.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { eventsOf, runTiny, tinyConfig, UNGUARDED } from '../fixtures/tiny-run.js';
import { BROKERS, freshPrefix, SKIP_REASON } from './cluster.js';

const GATEWAY = [
  'stages.gateway.type=gateway',
  'stages.gateway.pictures=3',
  'stages.gateway.guesses=0',
  'stages.gateway.answerWithinMs=60000',
  // Where it is may differ, not whether it is stated.
  'stages.gateway.store=first',
  'stages.gateway.feedback.voters=2',
  'stages.prompts.source.from=topic',
  'stages.prompts.groupsPerRound=2',
  'stages.prompts.numRounds=2',
  'stages.sampler.forkPlan=independent',
  'stages.gateway.serve.canary={share: 1, mostRounds: 2}',
  'stages.prompts.runAhead=2',
  'stages.sampler.groupsPerBatch=1',
  'stages.schedule.first=3',
  'stages.trainer.maxStaleness=4',
  'evaluation.trainPrompts=1',
  'evaluation.imagesPerPrompt=1',
  ...UNGUARDED,
];
const PATIENCE = { timeout: 60_000, interval: 50 };

describe.skipIf(SKIP_REASON !== null)('two gateways over Kafka', () => {
  it('should both know every group and vote, and forget a person, train each group once, and compare policies once', async () => {
    const folder = await temporaryFolder();
    const tiny = await tinyConfig(folder, { overrides: GATEWAY });
    const payloads = { type: 'folder' as const, folder: join(folder, 'payloads') };
    const kafka = {
      ...tiny.transport.kafka,
      brokers: BROKERS,
      prefix: freshPrefix(),
      partitions: 4,
      payloads,
    };
    const config: ResolvedConfig = { ...tiny, transport: { ...tiny.transport, kind: 'kafka', kafka } };
    /** A gateway with a store of its own. */
    const gateway = (name: string): Promise<Desk> => {
      const stages = { ...config.stages, gateway: { ...config.stages.gateway, store: join(folder, name) } };
      const leaving = new AbortController();
      return new Promise((resolve, reject) => {
        const left = new Promise<void>((done) => {
          runWorkers({
            config: { ...config, stages } as ResolvedConfig,
            roles: ['gateway'],
            signal: leaving.signal,
            async serveDesk(desk) {
              resolve(desk);
              return { close: async () => undefined };
            },
          }).subscribe({ error: reject, complete: done });
        });
        onTestFinished(async () => {
          leaving.abort();
          await left;
        });
      });
    };
    const roles = ['prompts', 'sampler', 'reward', 'trainer'];
    const running = runTiny({ config, path: join(folder, 'run'), roles });
    const [first, second] = await Promise.all([gateway('first'), gateway('second')]);
    const { signal } = new AbortController();
    // What is kept of a person is asked of both, and deleted by both.
    const { id: carls } = await second.draw({ prompt: 'a red circle', client: 'carl', signal });
    const both = { complete: true, gateways: { running: 2, answered: 2 } };
    expect(await first.exportPerson('carl')).toMatchObject({ groups: [{ id: carls }], votes: [], ...both });
    expect(await first.deletePerson('carl')).toEqual({ groups: 1, votes: 0, ...both });
    expect([first.group(carls), second.group(carls)]).toEqual([undefined, undefined]);
    const ids: string[] = [];
    /** Draws at a gateway until both policies have, as its sampler may not have read of the second yet. */
    const drawBoth = async (desk: Desk, store: string): Promise<string> => {
      for (;;) {
        const { id } = await desk.draw({ prompt: 'a red circle', client: 'ann', signal });
        const record = JSON.parse(await readFile(join(folder, store, 'groups', id, 'group.json'), 'utf8'));
        if (record.comparison) return id;
      }
    };
    for (const [index, desk] of [first, second, second, first].entries()) {
      // Of the second round both policies draw.
      if (index === 2) await vi.waitFor(() => expect(desk.status().round).toBe(1), PATIENCE);
      const id =
        index < 2
          ? (await desk.draw({ prompt: 'a red circle', client: 'ann', signal })).id
          : await drawBoth(desk, desk === first ? 'first' : 'second');
      ids.push(id);
      // The other gateway may not have read of it yet.
      await first.vote(id, { voter: 'ann', best: index % 2 });
      await second.vote(id, { voter: 'bob', best: index % 2 });
    }
    for (const desk of [first, second])
      await vi.waitFor(
        () =>
          expect(ids.map((id) => desk.group(id)?.rewards)).toEqual([
            [1, 0, 0],
            [0, 1, 0],
            [1, 0, 0],
            [0, 1, 0],
          ]),
        PATIENCE,
      );
    const compared = ids.map((id) => first.group(id)?.comparison ?? null);
    expect(ids.map((id) => second.group(id)?.comparison ?? null)).toEqual(compared);
    expect(compared.map((one) => one?.canary ?? null)).toEqual([null, null, 1, 1]);
    // One of them answers the ticket of a group.
    for (const desk of [first, second])
      await vi.waitFor(() => expect(ids.map((id) => desk.group(id)?.round)).toEqual([0, 0, 1, 1]), PATIENCE);
    const run = await running;
    expect(run.error).toBeUndefined();
    expect(
      eventsOf(run, 'round').map(({ metrics }) => [metrics.groups, metrics.lostGroups, metrics.feedback]),
    ).toEqual(Array(2).fill([2, 0, { groups: 2, votes: 4, agreement: 1, expiredGroups: 0, staleGroups: 0 }]));
    const [, { canary } = {}] = eventsOf(run, 'round').map(({ metrics }) => metrics);
    expect(canary).toMatchObject({ stable: 0, canary: 1, ties: 0, verdict: 'hold' });
    expect((canary?.wins ?? 0) + (canary?.losses ?? 0)).toBe(2);
  });
});
