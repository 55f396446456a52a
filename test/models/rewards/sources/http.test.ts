import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import type { TributaryError } from '../../../../src/errors.js';
import { failing, grays, httpBench } from '../../../fixtures/http-reward-bench.js';
import { unaborted } from '../../../fixtures/reward-context.js';
import { sendJson, sendText } from '../../../fixtures/reward-server.js';

describe('createHttpReward', () => {
  it('should post pictures as PNG beside their prompt', async () => {
    const { server, scorer } = await httpBench();
    const { rewards, features } = await scorer.score(grays(51), unaborted());
    expect([rewards, features]).toEqual([[0.2], null]);
    const [{ method, headers, body }] = server.requests as [(typeof server.requests)[0]];
    expect([method, headers['content-type'], headers.authorization]).toEqual([
      'POST',
      'application/json',
      undefined,
    ]);
    expect([body.version, body.prompt, Object.keys(body)]).toEqual([
      1,
      'a red ball',
      ['version', 'prompt', 'images'],
    ]);
    expect(decode(Buffer.from(body.images[0] as string, 'base64'))).toMatchObject({
      width: 4,
      height: 2,
      channels: 3,
      depth: 8,
      data: new Uint8Array(24).fill(51),
    });
  });

  it('should post what is said of the prompt, with every part of the pictures', async () => {
    const { server, scorer } = await httpBench();
    const metadata = { answer: 'blue', boxes: [[0, 1.5]] };
    await scorer.score({ ...grays(0, 51, 102), metadata }, unaborted());
    expect(server.requests.map(({ body }) => (body as { metadata?: unknown }).metadata)).toEqual([
      metadata,
      metadata,
    ]);
  });

  it('should keep the order over several requests, none larger than a batch', async () => {
    const { server, scorer } = await httpBench();
    const { rewards } = await scorer.score(grays(0, 51, 102, 153, 204), unaborted());
    expect(rewards).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
    expect(server.requests.map(({ body }) => body.images.length)).toEqual([2, 2, 1]);
  });

  it('should ask nothing about no pictures', async () => {
    const { server, scorer } = await httpBench();
    expect(await scorer.score(grays(), unaborted())).toEqual({ rewards: [], features: [] });
    expect(server.requests).toEqual([]);
  });

  it('should take embeddings as features of length 1', async () => {
    const { scorer } = await httpBench(({ body }, response) =>
      sendJson(response, { rewards: body.images.map(() => 1), embeddings: body.images.map(() => [3, 4]) }),
    );
    const { features } = await scorer.score(grays(0, 1, 2), unaborted());
    expect(features).toEqual(Array(3).fill(Float32Array.of(0.6, 0.8)));
  });

  it('should have no features where only some answers have them', async () => {
    const { scorer } = await httpBench(
      failing(1, (_, response) => sendJson(response, { rewards: [1, 1], embeddings: [[1], [1]] })),
    );
    expect((await scorer.score(grays(0, 1, 2), unaborted())).features).toBeNull();
  });

  it('should overlook what it does not know', async () => {
    const { scorer } = await httpBench((_, response) => sendJson(response, { rewards: [2], seconds: 1 }));
    expect((await scorer.score(grays(0), unaborted())).rewards).toEqual([2]);
  });
});

describe('a fault that may pass', () => {
  it.each([408, 425, 429, 500, 502, 503, 504])('should be tried again: %i', async (status) => {
    const { scorer, waits } = await httpBench(
      failing(2, (_, response) => sendText(response, status, 'wait')),
    );
    expect((await scorer.score(grays(255), unaborted())).rewards).toEqual([1]);
    expect(waits).toEqual([500, 1000]);
  });

  it('should be tried again where the connection is reset', async () => {
    const { scorer, waits } = await httpBench(
      failing(2, (_, response) => {
        response.destroy();
        return 'answered';
      }),
    );
    expect((await scorer.score(grays(255), unaborted())).rewards).toEqual([1]);
    expect(waits).toEqual([500, 1000]);
  });

  it('should be tried again where the answer breaks off', async () => {
    const { scorer } = await httpBench(
      failing(1, (_, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('{"rewards"', () => response.destroy());
        return 'answered';
      }),
    );
    expect((await scorer.score(grays(255), unaborted())).rewards).toEqual([1]);
  });

  it('should be tried five times in all, and say that it may pass', async () => {
    const { server, scorer, waits } = await httpBench((_, response) =>
      sendText(response, 503, 'model\n loads'),
    );
    const error = await scorer.score(grays(0), unaborted()).catch((fault: unknown) => fault);
    expect(error).toMatchObject({
      code: 'TRIB_REWARD',
      retryable: true,
      message: `reward service ${server.url}: expected status 200, got 503, "model loads" in 5 attempts. Read the log of the service.`,
    });
    expect(server.requests).toHaveLength(5);
    expect(waits).toEqual([500, 1000, 2000, 4000]);
  });

  it.each([
    ['2', 2000],
    ['0', 500],
    ['86400', 30_000],
    ['soon', 500],
    [new Date(0).toUTCString(), 500],
    [new Date(Date.now() + 3_600_000).toUTCString(), 30_000],
  ])('should wait as long as Retry-After: %s asks, within bounds', async (retryAfter, expected) => {
    const { scorer, waits } = await httpBench(
      failing(1, (_, response) => {
        response.setHeader('retry-after', retryAfter);
        return sendText(response, 429, '');
      }),
    );
    await scorer.score(grays(0), unaborted());
    expect(waits).toEqual([expected]);
  });

  it('should be a service that hangs', async () => {
    const { server, scorer } = await httpBench(() => 'answered', { timeoutMs: 20 });
    const error = await scorer.score(grays(0), unaborted()).catch((fault: unknown) => fault);
    expect(error).toMatchObject({
      retryable: true,
      message: `reward service ${server.url}: expected an answer, got none in 20 ms in 5 attempts. Check whether the service hangs, raise timeoutMs or lower batchSize.`,
    });
  });

  it('should be a service that begins to answer and hangs', async () => {
    const { fault } = await httpBench(
      (_, response) => {
        response.writeHead(200).write('{"rew');
        return 'answered';
      },
      { timeoutMs: 50 },
    );
    expect((await fault())[1]).toContain('got none in 50 ms in 5 attempts');
  });

  it('should be a service that is not there', async () => {
    const { server, scorer, waits } = await httpBench();
    await server.close();
    const error = await scorer.score(grays(0), unaborted()).catch((fault: unknown) => fault);
    expect(error).toMatchObject({
      code: 'TRIB_REWARD',
      retryable: true,
      message: `reward service ${server.url}: expected an answer, got ECONNREFUSED in 5 attempts. Start the service, or correct the url of the reward stage.`,
    });
    expect(waits).toHaveLength(4);
  });
});

describe('canceling', () => {
  const canceled = (error: unknown, url: string) =>
    expect(error).toMatchObject({
      code: 'TRIB_CANCELLED',
      message: `reward service ${url}: expected an answer, got a cancellation. Start the run again if it is still wanted.`,
    } satisfies Partial<TributaryError>);

  it('should end a request that is under way, and close its connection', async () => {
    const controller = new AbortController();
    let closed: Promise<unknown> | undefined;
    const { server, scorer } = await httpBench(
      (_, response) => {
        closed = new Promise((resolve) => response.once('close', resolve));
        controller.abort();
        return 'answered';
      },
      // Longer than the test may take.
      { timeoutMs: 300_000 },
    );
    canceled(await scorer.score(grays(0), controller.signal).catch((fault: unknown) => fault), server.url);
    await closed;
    expect(server.requests).toHaveLength(1);
  });

  it('should end a wait between attempts', async () => {
    const controller = new AbortController();
    const { server, scorer } = await httpBench(
      (_, response) => {
        response.setHeader('retry-after', '30');
        response.once('close', () => setImmediate(() => controller.abort()));
        return sendText(response, 503, '');
      },
      { wait: undefined },
    );
    canceled(await scorer.score(grays(0), controller.signal).catch((fault: unknown) => fault), server.url);
    expect(server.requests).toHaveLength(1);
  });
});
