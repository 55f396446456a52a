import { brotliCompressSync, gzipSync } from 'node:zlib';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import type { TributaryError } from '../../../src/errors.js';
import { createHttpReward, type HttpRewardSettings } from '../../../src/models/rewards/http-reward.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { type Answer, sendJson, sendText, startRewardServer } from '../../fixtures/reward-server.js';

const SHAPE = [3, 2, 4] as const;
const TOKEN = 'secret-token-0123456789';
/** A picture of one grey, 0 to 255. */
const grey = (level: number) => new Float32Array(3 * 2 * 4).fill((level / 255) * 2 - 1);
const greys = (...levels: number[]) => ({ prompt: 'a red ball', images: levels.map(grey) });
const unaborted = () => new AbortController().signal;

async function bench(answer?: Answer, settings: Partial<HttpRewardSettings> = {}) {
  const server = await startRewardServer(answer);
  const waits: number[] = [];
  const wait = async (milliseconds: number) => waits.push(milliseconds);
  const scorer = createHttpReward({
    url: server.url,
    timeoutMs: 10_000,
    batchSize: 2,
    imageShape: SHAPE,
    wait,
    ...settings,
  });
  const fault = () => faultOf(() => scorer.score(greys(0), unaborted()));
  return { server, waits, scorer, fault };
}

const failing = (times: number, answer: Answer): Answer => {
  return (request, response) => (request.index < times ? answer(request, response) : undefined);
};

describe('createHttpReward', () => {
  it('should post pictures as PNG beside their prompt', async () => {
    const { server, scorer } = await bench();
    const { rewards, features } = await scorer.score(greys(51), unaborted());
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

  it('should keep the order over several requests, none larger than a batch', async () => {
    const { server, scorer } = await bench();
    const { rewards } = await scorer.score(greys(0, 51, 102, 153, 204), unaborted());
    expect(rewards).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
    expect(server.requests.map(({ body }) => body.images.length)).toEqual([2, 2, 1]);
  });

  it('should ask nothing about no pictures', async () => {
    const { server, scorer } = await bench();
    expect(await scorer.score(greys(), unaborted())).toEqual({ rewards: [], features: [] });
    expect(server.requests).toEqual([]);
  });

  it('should take embeddings as features of length 1', async () => {
    const { scorer } = await bench(({ body }, response) =>
      sendJson(response, { rewards: body.images.map(() => 1), embeddings: body.images.map(() => [3, 4]) }),
    );
    const { features } = await scorer.score(greys(0, 1, 2), unaborted());
    expect(features).toEqual(Array(3).fill(Float32Array.of(0.6, 0.8)));
  });

  it('should have no features where only some answers have them', async () => {
    const { scorer } = await bench(
      failing(1, (_, response) => sendJson(response, { rewards: [1, 1], embeddings: [[1], [1]] })),
    );
    expect((await scorer.score(greys(0, 1, 2), unaborted())).features).toBeNull();
  });

  it('should overlook what it does not know', async () => {
    const { scorer } = await bench((_, response) => sendJson(response, { rewards: [2], seconds: 1 }));
    expect((await scorer.score(greys(0), unaborted())).rewards).toEqual([2]);
  });
});

describe('an answer that is compressed', () => {
  const sendCompressed =
    (encoding: string, body: Uint8Array, spoil = (bytes: Uint8Array) => bytes): Answer =>
    (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding });
      response.end(spoil(body));
      return 'answered';
    };
  const answer = JSON.stringify({ rewards: [0.5] });

  it.each([
    ['gzip', gzipSync(answer)],
    ['br', brotliCompressSync(answer)],
  ])('should be read: %s', async (encoding, body) => {
    const { scorer } = await bench(sendCompressed(encoding, body));
    expect((await scorer.score(greys(0), unaborted())).rewards).toEqual([0.5]);
  });

  it('should be refused where it grows beyond the bound', async () => {
    const { server, fault } = await bench(sendCompressed('gzip', gzipSync(Buffer.alloc(2 ** 26))));
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: expected an answer of at most 16777216 bytes, got more. Correct the service, see docs/rewards.md.`,
    ]);
  });

  it('should be refused where it is damaged', async () => {
    const { server, fault, waits } = await bench(sendCompressed('gzip', Buffer.from(answer)));
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: expected an answer, got Z_DATA_ERROR. Look at what the service logs.`,
    ]);
    expect(waits).toEqual([]);
  });
});

describe('a fault that may pass', () => {
  it.each([408, 425, 429, 500, 502, 503, 504])('should be tried again: %i', async (status) => {
    const { scorer, waits } = await bench(failing(2, (_, response) => sendText(response, status, 'wait')));
    expect((await scorer.score(greys(255), unaborted())).rewards).toEqual([1]);
    expect(waits).toEqual([500, 1000]);
  });

  it('should be tried again where the connection is reset', async () => {
    const { scorer, waits } = await bench(
      failing(2, (_, response) => {
        response.destroy();
        return 'answered';
      }),
    );
    expect((await scorer.score(greys(255), unaborted())).rewards).toEqual([1]);
    expect(waits).toEqual([500, 1000]);
  });

  it('should be tried again where the answer breaks off', async () => {
    const { scorer } = await bench(
      failing(1, (_, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('{"rewards"', () => response.destroy());
        return 'answered';
      }),
    );
    expect((await scorer.score(greys(255), unaborted())).rewards).toEqual([1]);
  });

  it('should be tried five times in all, and say that it may pass', async () => {
    const { server, scorer, waits } = await bench((_, response) => sendText(response, 503, 'model\n loads'));
    const error = await scorer.score(greys(0), unaborted()).catch((fault: unknown) => fault);
    expect(error).toMatchObject({
      code: 'TRIB_REWARD',
      retryable: true,
      message: `reward service ${server.url}: expected status 200, got 503, "model loads" in 5 attempts. Look at what the service logs.`,
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
    const { scorer, waits } = await bench(
      failing(1, (_, response) => {
        response.setHeader('retry-after', retryAfter);
        return sendText(response, 429, '');
      }),
    );
    await scorer.score(greys(0), unaborted());
    expect(waits).toEqual([expected]);
  });

  it('should be a service that hangs', async () => {
    const { server, scorer } = await bench(() => 'answered', { timeoutMs: 20 });
    const error = await scorer.score(greys(0), unaborted()).catch((fault: unknown) => fault);
    expect(error).toMatchObject({
      retryable: true,
      message: `reward service ${server.url}: expected an answer, got none in 20 ms in 5 attempts. Look whether the service hangs, raise timeoutMs or lower batchSize.`,
    });
  });

  it('should be a service that begins to answer and hangs', async () => {
    const { fault } = await bench(
      (_, response) => {
        response.writeHead(200).write('{"rew');
        return 'answered';
      },
      { timeoutMs: 50 },
    );
    expect((await fault())[1]).toContain('got none in 50 ms in 5 attempts');
  });

  it('should be a service that is not there', async () => {
    const { server, scorer, waits } = await bench();
    await server.close();
    const error = await scorer.score(greys(0), unaborted()).catch((fault: unknown) => fault);
    expect(error).toMatchObject({
      code: 'TRIB_REWARD',
      retryable: true,
      message: `reward service ${server.url}: expected an answer, got ECONNREFUSED in 5 attempts. Start the service, or correct the url of scoreRewards.`,
    });
    expect(waits).toHaveLength(4);
  });
});

describe('a fault that stays', () => {
  it.each([
    [400, 'Look at what the service logs.'],
    [401, 'Set TRIBUTARY_REWARD_TOKEN to a token that it knows.'],
    [404, 'Correct the url of scoreRewards.'],
    [422, 'Look at what the service logs.'],
    [307, 'Set url to where it redirects.'],
    [204, 'Look at what the service logs.'],
  ])('should be told at once: %i', async (status, nextStep) => {
    const { server, scorer, waits } = await bench((_, response) => {
      response.setHeader('location', '/elsewhere');
      return sendText(response, status, 'no');
    });
    const error = await scorer.score(greys(0), unaborted()).catch((fault: unknown) => fault);
    const got = status === 204 ? 'nothing' : '"no"';
    expect(error).toMatchObject({
      code: 'TRIB_REWARD',
      retryable: false,
      message: `reward service ${server.url}: expected status 200, got ${status}, ${got}. ${nextStep}`,
    });
    expect([server.requests.length, waits]).toEqual([1, []]);
  });

  it.each([
    ['{"rewards": [1, 2]}', 'expected 1 rewards, one a picture, got 2.'],
    ['{"rewards": []}', 'expected 1 rewards, one a picture, got 0.'],
    ['{"rewards": [null]}', 'expected a finite number at rewards[0], got "null".'],
    ['{"rewards": [1e999]}', 'expected a finite number at rewards[0], got "null".'],
    ['{"rewards": ["0.5"]}', 'expected a finite number at rewards[0], got ""0.5"".'],
    ['{"rewards": 0.5}', 'expected a list of numbers at rewards, got "0.5".'],
    ['{"reward": [0.5]}', 'expected a list of numbers at rewards, got nothing.'],
    ['[0.5]', 'expected a mapping with `rewards`, got "[0.5]".'],
    ['{"rewards": [NaN]}', 'expected JSON, got "{"rewards": [NaN]}".'],
    ['', 'expected JSON, got nothing.'],
    [
      '<!doctype html>\n<title>Sign in</title>',
      'expected JSON, got "<!doctype html> <title>Sign in</title>".',
    ],
    [`x${'y'.repeat(300)}`, `expected JSON, got "x${'y'.repeat(119)}…".`],
    ['{"rewards": [1], "embeddings": []}', 'expected 1 embeddings, one a picture, got 0.'],
    ['{"rewards": [1], "embeddings": [[]]}', 'expected at least one number at embeddings[0], got "[]".'],
    [
      '{"rewards": [1], "embeddings": [[1, null]]}',
      'expected a finite number at embeddings[0][1], got "null".',
    ],
  ])('should be an answer that is not as agreed: %s', async (body, message) => {
    const { server, fault, waits } = await bench((_, response) => sendText(response, 200, body));
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: ${message} Correct the service, see docs/rewards.md.`,
    ]);
    expect(waits).toEqual([]);
  });

  it.each([
    ['a reward', (deep: string) => `{"rewards": [${deep}]}`, 'expected a finite number at rewards[0]'],
    ['the whole', (deep: string) => deep, 'expected a mapping with `rewards`'],
  ])('should be an answer that nests too deeply: %s', async (_, bodyOf, words) => {
    const deep = `${'['.repeat(1e5)}${']'.repeat(1e5)}`;
    const { server, fault } = await bench((__, response) => sendText(response, 200, bodyOf(deep)));
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: ${words}, got "a deeply nested value". Correct the service, see docs/rewards.md.`,
    ]);
  });

  it.each([
    [
      'rewards',
      (values: string) => `{"rewards": [${values}]}`,
      'expected 1 rewards, one a picture, got 2000000.',
    ],
    [
      'embeddings',
      (values: string) => `{"rewards": [1], "embeddings": [[${values}]]}`,
      'expected a finite number at embeddings[0][0], got "null".',
    ],
  ])('should be an answer of millions of wrong %s, at the price of one', async (_, bodyOf, words) => {
    const body = bodyOf(Array(2e6).fill('null').join());
    const { server, fault } = await bench((__, response) => sendText(response, 200, body));
    const before = process.memoryUsage().heapTotal;
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: ${words} Correct the service, see docs/rewards.md.`,
    ]);
    // The answer is 10 MB, and 2 million values take 16.
    expect(process.memoryUsage().heapTotal - before).toBeLessThan(2 ** 27);
  });

  it('should be embeddings of several lengths, also in several answers', async () => {
    const { scorer } = await bench(({ index, body }, response) =>
      sendJson(response, {
        rewards: body.images.map(() => 1),
        embeddings: body.images.map((_, image) => Array(index === 0 ? 1 + image : 3).fill(1)),
      }),
    );
    const [, message] = await faultOf(() => scorer.score(greys(0, 1, 2), unaborted()));
    expect(message).toContain('expected embeddings of one length, got lengths 1, 2, 3. Correct the service');
  });

  it('should be an answer of 50 MB, of which little more than the bound is read', async () => {
    let sent = 0;
    const { server, fault } = await bench((_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, ' ');
      const send = () => {
        while (!response.destroyed && sent < 50) {
          sent += 1;
          if (!response.write(chunk)) return void response.once('drain', send);
        }
        response.end();
      };
      send();
      return 'answered';
    });
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: expected an answer of at most 16777216 bytes, got more. Correct the service, see docs/rewards.md.`,
    ]);
    expect(sent).toBeLessThan(50);
  });

  it('should be a name that nobody has', async () => {
    const { waits, fault } = await bench(undefined, { url: 'http://nobody.invalid/score' });
    expect((await fault())[1]).toMatch(
      /^reward service http:\/\/nobody\.invalid\/score: expected an answer, got (ENOTFOUND\.|EAI_AGAIN in 5)/,
    );
    expect([0, 4]).toContain(waits.length);
  });
});

describe('secrets', () => {
  it('should send the token, and nothing else that could tell it', async () => {
    const { server, scorer } = await bench(undefined, { token: TOKEN });
    await scorer.score(greys(0), unaborted());
    expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
  });

  it.each([
    ['a status', 401, `unknown token ${TOKEN}`],
    ['an answer that is not JSON', 200, `${'x'.repeat(110)} ${TOKEN}`],
    ['a wrong value', 200, `{"rewards": "${TOKEN}"}`],
  ])('should never stand in a message, though the service sends it back: %s', async (_, status, body) => {
    const { fault } = await bench((__, response) => sendText(response, status, body), { token: TOKEN });
    const [code, message] = await fault();
    expect([code, message]).toEqual(['TRIB_REWARD', expect.stringContaining('…')]);
    expect(message).not.toContain('secret');
  });

  it.each(['two words', 'line\nbreak', 'näive'])('should not be sent where it is no token', async (token) => {
    const [code, message] = await faultOf(() =>
      createHttpReward({ url: 'http://localhost', timeoutMs: 1, batchSize: 1, imageShape: SHAPE, token }),
    );
    expect([code, message]).toEqual([
      'TRIB_USAGE',
      'TRIBUTARY_REWARD_TOKEN: expected printable ASCII without spaces, got something else. Set it again, without a line break.',
    ]);
  });

  it('should not stand in a message where they are in the query', async () => {
    const server = await startRewardServer((_, response) => sendText(response, 400, 'no'));
    const { fault } = await bench(undefined, { url: `${server.url}?key=hidden` });
    expect((await fault())[1]).toContain(`reward service ${server.url}: expected status 200`);
    expect((await fault())[1]).not.toContain('hidden');
  });
});

describe('cancelling', () => {
  const cancelled = (error: unknown, url: string) =>
    expect(error).toMatchObject({
      code: 'TRIB_CANCELLED',
      message: `reward service ${url}: expected to answer, got cancelled. Start the run again if it is still wanted.`,
    } satisfies Partial<TributaryError>);

  it('should end a request that is under way, and close its connection', async () => {
    const controller = new AbortController();
    let closed: Promise<unknown> | undefined;
    const { server, scorer } = await bench(
      (_, response) => {
        closed = new Promise((resolve) => response.once('close', resolve));
        controller.abort();
        return 'answered';
      },
      // Longer than the test may take.
      { timeoutMs: 300_000 },
    );
    cancelled(await scorer.score(greys(0), controller.signal).catch((fault: unknown) => fault), server.url);
    await closed;
    expect(server.requests).toHaveLength(1);
  });

  it('should end a wait between attempts', async () => {
    const controller = new AbortController();
    const { server, scorer } = await bench(
      (_, response) => {
        response.setHeader('retry-after', '30');
        response.once('close', () => setImmediate(() => controller.abort()));
        return sendText(response, 503, '');
      },
      { wait: undefined },
    );
    cancelled(await scorer.score(greys(0), controller.signal).catch((fault: unknown) => fault), server.url);
    expect(server.requests).toHaveLength(1);
  });
});
