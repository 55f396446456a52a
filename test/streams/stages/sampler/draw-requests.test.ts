import { of, Subject } from 'rxjs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { TributaryError } from '../../../../src/errors.js';
import type { Client } from '../../../../src/models/threads/thread.js';
import type { ServedPolicies } from '../../../../src/streams/messages/messages.js';
import type { PictureRequest } from '../../../../src/streams/messages/people.js';
import type { SamplerClient } from '../../../../src/streams/stages/sampler/client.js';
import { drawRequests } from '../../../../src/streams/stages/sampler/draw-requests.js';
import type { SamplerService } from '../../../../src/streams/stages/sampler/sampler-thread.js';
import { interval } from '../gateway/gateway-bench.js';
import { stageBench } from '../stage-bench.js';

const NOW = 1000;
const request = (id: string, changes: Partial<PictureRequest> = {}): PictureRequest => ({
  id,
  prompt: 'a red circle',
  seed: 4_000_000_000,
  requestedBy: 'ann',
  requestedAt: 0,
  expiresAt: NOW + 1,
  ...changes,
});
const tree = {
  tree: { firstStep: 3, widths: [1, 4] },
  branches: [],
  pictures: [Uint8Array.of(1)],
  guesses: [],
};

const CANARY = [
  'stages.gateway.serve.canary.share=1',
  'stages.gateway.serve.canary.mostRounds=1',
  'stages.sampler.forkPlan=independent',
  'stages.trainer.maxStaleness=2',
];

/** Draws batches of two with a sampler that cannot read `?`. */
async function start(draw?: SamplerService['draw'], served?: ServedPolicies) {
  const bench = stageBench([
    'stages.gateway.type=gateway',
    'stages.prompts.source.from=topic',
    'stages.sampler.groupsPerBatch=2',
    ...(served ? CANARY : []),
  ]);
  const { transport } = bench.context;
  const drawn = bench.read('drawn');
  const asked: Parameters<SamplerService['draw']>[0][] = [];
  const urgent: (boolean | undefined)[] = [];
  const versions: number[] = [];
  const call = {
    draw: async (given: Parameters<SamplerService['draw']>[0], options: { readonly signal: AbortSignal }) => {
      asked.push(given);
      return draw ? draw(given, options.signal) : given.requests.map(() => tree);
    },
  };
  const sampler = {
    imageShape: [3, 16, 8],
    checkPrompts: async (prompts: readonly { readonly prompt: string }[]) =>
      prompts.map(({ prompt }) => (prompt === '?' ? 'no word' : null)),
    withPolicy: ({ version }, work, options) => {
      urgent.push(options?.isUrgent);
      versions.push(version);
      return work(call as unknown as Client<SamplerService>);
    },
  } as Partial<SamplerClient> as SamplerClient;
  const ends = vi.fn();
  const policy$ = of({ version: 3, parameters: {}, ...(served && { served }) });
  const subscription = drawRequests(bench.context, sampler, policy$, () => NOW).subscribe({ error: ends });
  onTestFinished(() => subscription.unsubscribe());
  await transport.publish('schedule', { key: 'run', message: interval(3) });
  const ask = (message: PictureRequest) => transport.publish('requests', { key: message.id, message });
  return { drawn, asked, urgent, versions, ask, ends };
}

describe('drawRequests', () => {
  it('should draw what was asked for, urgently, keyed by its seed', async () => {
    const { drawn, asked, urgent, ask } = await start();
    await ask(request('g-1'));
    await vi.waitFor(() => expect(drawn).toHaveLength(1));
    expect(asked).toEqual([
      {
        requests: [{ groupIndex: 4_000_000_000, prompt: 'a red circle' }],
        trainedSteps: interval(3).trainedSteps,
        guesses: 2,
      },
    ]);
    expect(urgent).toEqual([true]);
    expect(drawn[0]).toMatchObject({
      request: request('g-1'),
      group: { groupId: 'g-1', groupIndex: 4_000_000_000, round: 0, policyVersion: 3, interval: interval(3) },
      size: [8, 16],
      pictures: tree.pictures,
    });
  });

  it('should draw what has come meanwhile as one batch', async () => {
    const first = new Subject<void>();
    const { drawn, asked, ask } = await start(async ({ requests }) => {
      if (requests.length === 1) await new Promise<void>((resolve) => first.subscribe(resolve));
      return requests.map(() => tree);
    });
    await ask(request('g-1'));
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    for (const id of ['g-2', 'g-3']) await ask(request(id));
    first.next();
    await vi.waitFor(() => expect(drawn).toHaveLength(3));
    expect(asked.map(({ requests }) => requests.length)).toEqual([1, 2]);
  });

  it('should give half of the pictures to a canary, and none where there is no canary', async () => {
    let drawing = 0;
    const treesOf: SamplerService['draw'] = async ({ requests }) => {
      drawing += 1;
      return requests.map(() => ({ ...tree, pictures: [0, 1, 2, 3].map(() => Uint8Array.of(drawing)) }));
    };
    const stable = { version: 1, parameters: {} };
    const both = await start(treesOf, { stable, canary: { version: 2, parameters: {} } });
    await both.ask(request('g-1'));
    await vi.waitFor(() => expect(both.drawn).toHaveLength(1));
    expect(both.versions).toEqual([1, 2]);
    const [group] = both.drawn;
    if (!group || 'fault' in group) throw new Error('expected a group');
    expect(group.group.policyVersion).toBe(1);
    expect(group.comparison).toEqual({ canary: 2, pictures: [expect.any(Number), expect.any(Number)] });
    const canarys = group.pictures.flatMap(([by], place) => (by === 2 ? [place] : []));
    expect(canarys).toEqual(group.comparison?.pictures);
    const alone = await start(treesOf, { stable, canary: null });
    await alone.ask(request('g-1'));
    await vi.waitFor(() => expect(alone.drawn).toHaveLength(1));
    expect(alone.versions).toEqual([1]);
    expect(alone.drawn[0]).not.toHaveProperty('comparison');
  });

  it('should drop what nobody waits for, and answer what cannot be read with the reason', async () => {
    const { drawn, asked, ask } = await start();
    await ask(request('g-1', { expiresAt: NOW }));
    await ask(request('g-2', { prompt: '?' }));
    await ask(request('g-3'));
    await vi.waitFor(() => expect(drawn).toHaveLength(2));
    expect(asked).toHaveLength(1);
    expect(drawn).toMatchObject([{ request: { id: 'g-2' }, fault: 'no word' }, { request: { id: 'g-3' } }]);
  });

  it('should err where the sampler fails, and say for which request', async () => {
    const { ask, ends } = await start(() => Promise.reject(new TributaryError('TRIB_ENGINE', 'no memory')));
    await ask(request('g-1'));
    await vi.waitFor(() => expect(ends).toHaveBeenCalled());
    expect(ends.mock.calls[0]?.[0]).toMatchObject({
      code: 'TRIB_ENGINE',
      message: 'sampler, request g-1: no memory',
    });
  });
});
