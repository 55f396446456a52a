import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DeskError, type DeskErrorCode } from '../../../../src/streams/stages/gateway/desk.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { codeOf, drawnOf, gatewayBench, groupOf } from './gateway-bench.js';

describe('a desk with a rule of what must not be served', () => {
  const refuse = (code: DeskErrorCode) => new DeskError(code, 'expected something else, got this');

  it('should draw no prompt that it refuses, and show and keep no pictures', async () => {
    const path = await temporaryFolder();
    const requests: string[] = [];
    const bench = await gatewayBench({
      path,
      draw: (request) => {
        requests.push(request.prompt);
        return drawnOf(request);
      },
      rule: {
        prompt: async ({ prompt }) => {
          if (prompt === 'a bad prompt') throw refuse('prompt-not-allowed');
        },
        pictures: async ({ request, pictures }) => {
          expect(pictures).toHaveLength(4);
          if (request.prompt === 'bad pictures') throw refuse('pictures-not-allowed');
          if (request.prompt === 'a hard case') throw refuse('rule-failed');
        },
        counts: { refused: 7, unjudged: 1 },
        close: async () => undefined,
      },
    });
    const { ask, desk, events } = bench;
    expect(await codeOf(ask('a bad prompt'))).toBe('prompt-not-allowed');
    expect(await codeOf(ask('bad pictures'))).toBe('pictures-not-allowed');
    expect(await codeOf(ask('a hard case'))).toBe('rule-failed');
    const { id } = await ask('a red circle');
    expect(requests).toEqual(['bad pictures', 'a hard case', 'a red circle']);
    expect(await readdir(join(path, 'groups'))).toEqual([id]);
    expect(desk.own('ann', 9).map((group) => group.id)).toEqual([id]);
    expect(desk.status()).toMatchObject({ queued: 0, waiting: 1, refused: 7, unjudged: 1 });
    const told = events.map((event) => (event.type === 'group' ? event.group.state : event.type));
    expect(told.filter((state) => state === 'failed')).toHaveLength(3);
    expect(bench.error()).toBeUndefined();
  });

  it('should not ask it again about pictures that were shown', async () => {
    const asked: string[] = [];
    const { ask, context, desk } = await gatewayBench({
      path: await temporaryFolder(),
      rule: {
        prompt: async () => undefined,
        pictures: async ({ request: { id } }) => void asked.push(id),
        counts: { refused: 0, unjudged: 0 },
        close: async () => undefined,
      },
    });
    const { id, seed, prompt } = await ask();
    const request = { id, seed, prompt, requestedBy: 'ann', requestedAt: 0, expiresAt: 1 };
    await context.transport.publish('drawn', { key: id, message: drawnOf(request) });
    const next = await ask();
    expect(asked).toEqual([id, next.id]);
    expect(groupOf(desk, id).state).toBe('waiting');
  });
});
