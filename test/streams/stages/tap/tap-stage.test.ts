import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { StageConfig } from '../../../../src/streams/config/schema/topology-schema.js';
import { tapStage } from '../../../../src/streams/stages/tap/tap-stage.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { type StageBench, stageBench } from '../stage-bench.js';

const COPIES = 'stages.tap={type: tap, reads: rewards, to: { type: topic, topic: copies }}';

function tapped(stage: StageBench, to: StageConfig<'tap'>['to'], maxWaiting = 10) {
  const subscription = tapStage(stage.context, 'tap', { reads: 'rewards', to, maxWaiting }).subscribe();
  onTestFinished(() => subscription.unsubscribe());
}

const rewards = (index: number) => ({ groupId: `0-${index}`, round: 0, rewards: [index, 1] });

async function publish(stage: StageBench, count: number): Promise<void> {
  for (let index = 0; index < count; index++)
    await stage.context.transport.publish('rewards', { key: `0-${index}`, message: rewards(index) });
}

describe('tapStage', () => {
  it('should copy messages to a file as JSON lines, in a folder that it makes', async () => {
    const stage = stageBench();
    const path = join(await temporaryFolder(), 'copies', 'rewards.jsonl');
    tapped(stage, { type: 'file', path });
    await publish(stage, 2);
    const lines = await vi.waitFor(async () => {
      const read = (await readFile(path, 'utf8')).trim().split('\n');
      expect(read).toHaveLength(2);
      return read;
    });
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      [0, 1].map((index) => ({ key: `0-${index}`, headers: {}, message: rewards(index) })),
    );
  });

  it('should copy messages to another topic as they are', async () => {
    const stage = stageBench([COPIES]);
    const copies = stage.read('copies' as 'rewards');
    tapped(stage, { type: 'topic', topic: 'copies' });
    await publish(stage, 2);
    await vi.waitFor(() => expect(copies).toEqual([rewards(0), rewards(1)]));
  });

  it('should never hold up the topic: it drops what an endpoint is too slow for, and says how much', async () => {
    const stage = stageBench(['transport.capacity=1']);
    const bodies: string[] = [];
    const answers: (() => void)[] = [];
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      bodies.push(JSON.parse(body).key);
      answers.push(() => response.writeHead(bodies.length === 1 ? 500 : 200).end());
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    tapped(stage, { type: 'http', url, timeoutMs: 60_000 }, 2);
    // The topic takes all of them while the endpoint has not answered once.
    await publish(stage, 12);
    const warnings = stage.events.map((event) => (event.kind === 'warning' ? event.message : event.kind));
    expect(warnings).toEqual([
      'tap tap: expected every copy to be written, got 1 that was dropped so far (the target is slower than the topic). The run goes on without them.',
    ]);
    await vi.waitFor(() => expect(answers).toHaveLength(1));
    answers[0]?.();
    await vi.waitFor(() => expect(bodies).toEqual(['0-0', '0-10']));
    const last = stage.events.at(-1);
    expect(last?.kind === 'warning' && last.message).toContain('got 10 that were dropped so far (');
    answers[1]?.();
    await vi.waitFor(() => expect(bodies).toEqual(['0-0', '0-10', '0-11']));
    answers[2]?.();
  });
});
