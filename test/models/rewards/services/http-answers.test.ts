/** @file Answers of a reward service that cannot be used, and what is said of them. */

import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createHttpReward } from '../../../../src/models/rewards/sources/http.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { grays, HTTP_SHAPE, httpBench } from '../../../fixtures/http-reward-bench.js';
import { unaborted } from '../../../fixtures/reward-context.js';
import { type Answer, sendJson, sendText, startRewardServer } from '../../../fixtures/reward-server.js';

const TOKEN = 'secret-token-0123456789';

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
    const { scorer } = await httpBench(sendCompressed(encoding, body));
    expect((await scorer.score(grays(0), unaborted())).rewards).toEqual([0.5]);
  });

  it('should be refused where it grows beyond the bound', async () => {
    const { server, fault } = await httpBench(sendCompressed('gzip', gzipSync(Buffer.alloc(2 ** 26))));
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: expected an answer of at most 16777216 bytes, got more. Correct the service, see docs/rewards.md.`,
    ]);
  });

  it('should be refused where it is damaged', async () => {
    const { server, fault, waits } = await httpBench(sendCompressed('gzip', Buffer.from(answer)));
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: expected an answer, got Z_DATA_ERROR. Read the log of the service.`,
    ]);
    expect(waits).toEqual([]);
  });
});

describe('a fault that stays', () => {
  it.each([
    [400, 'Read the log of the service.'],
    [401, 'Set TRIBUTARY_REWARD_TOKEN to a token that it knows.'],
    [404, 'Correct the url of the reward stage.'],
    [422, 'Read the log of the service.'],
    [307, 'Set url to where it redirects.'],
    [204, 'Read the log of the service.'],
  ])('should be told at once: %i', async (status, nextStep) => {
    const { server, scorer, waits } = await httpBench((_, response) => {
      response.setHeader('location', '/elsewhere');
      return sendText(response, status, 'no');
    });
    const error = await scorer.score(grays(0), unaborted()).catch((fault: unknown) => fault);
    const got = status === 204 ? 'nothing' : '"no"';
    expect(error).toMatchObject({
      code: 'TRIB_REWARD',
      retryable: false,
      message: `reward service ${server.url}: expected status 200, got ${status}, ${got}. ${nextStep}`,
    });
    expect([server.requests.length, waits]).toEqual([1, []]);
  });

  it.each([
    ['{"rewards": [1, 2]}', 'expected 1 rewards, one per picture, got 2.'],
    ['{"rewards": []}', 'expected 1 rewards, one per picture, got 0.'],
    ['{"rewards": [null]}', 'expected a finite number at rewards[0], got null.'],
    ['{"rewards": [1e999]}', 'expected a finite number at rewards[0], got Infinity.'],
    ['{"rewards": ["0.5"]}', 'expected a finite number at rewards[0], got a string "0.5".'],
    ['{"rewards": [[0.5]]}', 'expected a finite number at rewards[0], got a list of 1.'],
    ['{"rewards": [true]}', 'expected a finite number at rewards[0], got a boolean true.'],
    ['{"rewards": 0.5}', 'expected a list of numbers at rewards, got a number 0.5.'],
    ['{"reward": [0.5]}', 'expected a mapping with `rewards`, got an object with "reward".'],
    ['[0.5]', 'expected a mapping with `rewards`, got a list of 1.'],
    ['{"rewards": [NaN]}', 'expected JSON, got "{"rewards": [NaN]}".'],
    ['', 'expected JSON, got nothing.'],
    [
      '<!doctype html>\n<title>Sign in</title>',
      'expected JSON, got "<!doctype html> <title>Sign in</title>".',
    ],
    [`x${'y'.repeat(300)}`, `expected JSON, got "x${'y'.repeat(119)}…".`],
    ['{"rewards": [1], "embeddings": []}', 'expected 1 embeddings, one per picture, got 0.'],
    ['{"rewards": [1], "embeddings": [[]]}', 'expected at least one number at embeddings[0], got none.'],
    [
      '{"rewards": [1], "embeddings": [[1, null]]}',
      'expected a finite number at embeddings[0][1], got null.',
    ],
  ])('should be an answer that is not as agreed: %s', async (body, message) => {
    const { server, fault, waits } = await httpBench((_, response) => sendText(response, 200, body));
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
    const { server, fault } = await httpBench((__, response) => sendText(response, 200, bodyOf(deep)));
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: ${words}, got a list of 1. Correct the service, see docs/rewards.md.`,
    ]);
  });

  it.each([
    [
      'rewards',
      (values: string) => `{"rewards": [${values}]}`,
      'expected 1 rewards, one per picture, got 2000000.',
    ],
    [
      'embeddings',
      (values: string) => `{"rewards": [1], "embeddings": [[${values}]]}`,
      'expected a finite number at embeddings[0][0], got null.',
    ],
  ])('should be an answer of millions of wrong %s, at the price of one', async (_, bodyOf, words) => {
    const body = bodyOf(Array(2e6).fill('null').join());
    const { server, fault } = await httpBench((__, response) => sendText(response, 200, body));
    const before = process.memoryUsage().heapTotal;
    expect(await fault()).toEqual([
      'TRIB_REWARD',
      `reward service ${server.url}: ${words} Correct the service, see docs/rewards.md.`,
    ]);
    // The answer is 10 MB, and 2 million values take 16.
    expect(process.memoryUsage().heapTotal - before).toBeLessThan(2 ** 27);
  });

  it('should be embeddings of several lengths, also in several answers', async () => {
    const { scorer } = await httpBench(({ index, body }, response) =>
      sendJson(response, {
        rewards: body.images.map(() => 1),
        embeddings: body.images.map((_, image) => Array(index === 0 ? 1 + image : 3).fill(1)),
      }),
    );
    const [, message] = await faultOf(() => scorer.score(grays(0, 1, 2), unaborted()));
    expect(message).toContain('expected embeddings of one length, got lengths 1, 2, 3. Correct the service');
  });

  it('should be an answer of 50 MB, of which little more than the bound is read', async () => {
    let sent = 0;
    const { server, fault } = await httpBench((_, response) => {
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
    const { waits, fault } = await httpBench(undefined, { url: 'http://nobody.invalid/score' });
    expect((await fault())[1]).toMatch(
      /^reward service http:\/\/nobody\.invalid\/score: expected an answer, got (ENOTFOUND\.|EAI_AGAIN in 5)/,
    );
    expect([0, 4]).toContain(waits.length);
  });
});

describe('secrets', () => {
  it('should send the token, and nothing else that could tell it', async () => {
    const { server, scorer } = await httpBench(undefined, { token: TOKEN });
    await scorer.score(grays(0), unaborted());
    expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
  });

  it.each([
    ['a status', 401, `unknown token ${TOKEN}`],
    ['an answer that is not JSON', 200, `${'x'.repeat(110)} ${TOKEN}`],
    ['a wrong value', 200, `{"rewards": "${TOKEN}"}`],
  ])('should never stand in a message, though the service sends it back: %s', async (_, status, body) => {
    const { fault } = await httpBench((__, response) => sendText(response, status, body), { token: TOKEN });
    const [code, message] = await fault();
    expect([code, message]).toEqual(['TRIB_REWARD', expect.stringContaining('…')]);
    expect(message).not.toContain('secret');
  });

  it.each(['two words', 'line\nbreak', 'näive'])('should not be sent where it is no token', async (token) => {
    const [code, message] = await faultOf(() =>
      createHttpReward({
        url: 'http://localhost',
        timeoutMs: 1,
        batchSize: 1,
        imageShape: HTTP_SHAPE,
        token,
      }),
    );
    expect([code, message]).toEqual([
      'TRIB_USAGE',
      'TRIBUTARY_REWARD_TOKEN: expected printable ASCII without spaces, got something else. Set it again, without a line break.',
    ]);
  });

  it('should not stand in a message where they are in the query', async () => {
    const server = await startRewardServer((_, response) => sendText(response, 400, 'no'));
    const { fault } = await httpBench(undefined, { url: `${server.url}?key=hidden` });
    expect((await fault())[1]).toContain(`reward service ${server.url}: expected status 200`);
    expect((await fault())[1]).not.toContain('hidden');
  });
});
