import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { untilAnswered } from '../../src/server/create-app.js';
import { type HttpServer, openServer } from '../../src/server/open-server.js';
import { describeApi } from '../../src/server/openapi.js';

const TOKEN = 'a token';
const logged: string[] = [];
let server: HttpServer;
/** Aborted when the request that waits is answered, or its sender has gone. */
let waits: AbortSignal | undefined;

beforeAll(async () => {
  server = await openServer(
    {
      name: 'test',
      host: '127.0.0.1',
      port: 0,
      allowOrigins: ['https://studio.example'],
      settings: { hosts: '--allow-host', origins: '--allow-origin' },
      addressSetting: '--host or --port',
      token: TOKEN,
      requestsPerMinute: 200,
      mostBodyBytes: 1000,
      requestTimeoutMs: 600,
      log: pino({ base: null }, { write: (line: string) => void logged.push(line) }),
    },
    async (app) => {
      await describeApi(app, { title: 'A test', description: 'Of the server.', version: '1' });
      app.route({
        method: 'POST',
        url: '/echo',
        schema: {
          body: z.strictObject({ name: z.string({ error: 'a name' }).max(5, { error: 'a short name' }) }),
        },
        handler: ({ body }) => ({ name: body.name }),
      });
      app.get('/fails', () => {
        throw new Error('the secret of the inside');
      });
      app.post('/waits', { config: { answerWithinMs: 150 } }, async (_request, reply) => {
        waits = untilAnswered(reply);
        return new Promise(() => undefined);
      });
      app.get('/open', { config: { isOpen: true } }, () => ({ isOpen: true }));
    },
  );
});

afterAll(() => server.close());

const WITH_TOKEN = { authorization: `Bearer ${TOKEN}` };

async function ask(
  path: string,
  { headers, ...init }: RequestInit & { headers?: Record<string, string> } = {},
) {
  const response = await fetch(`${server.url}${path}`, { ...init, headers: { ...WITH_TOKEN, ...headers } });
  return { response, status: response.status, body: (await response.json().catch(() => null)) as unknown };
}

const post = (body: string, headers: Record<string, string> = {}) =>
  ask('/echo', { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });

/** Sends text as it is, and returns all that comes back until the connection ends. */
function exchange(...parts: string[]): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  for (const part of parts) socket.write(part);
  return text(socket);
}

const TO_LOCALHOST = `host: localhost\r\nauthorization: Bearer ${TOKEN}\r\n`;
const JSON_TYPE = 'content-type: application/json\r\n';

describe('problems', () => {
  it.each([
    ['no token', () => ask('/fails', { headers: { authorization: '' } }), 401, 'unauthorized'],
    [
      'another token',
      () => ask('/fails', { headers: { authorization: 'Bearer a toke' } }),
      401,
      'unauthorized',
    ],
    [
      'a page of another origin',
      () => post('{"name":"a"}', { origin: 'https://evil.example' }),
      403,
      'origin-not-allowed',
    ],
    ['a page without an origin', () => post('{"name":"a"}', { origin: 'null' }), 403, 'origin-not-allowed'],
    ['an unknown path', () => ask('/nothing'), 404, 'no-such-path'],
    ['another method', () => ask('/echo', { method: 'DELETE' }), 405, 'method-not-allowed'],
    ['no JSON', () => post('{'), 400, 'invalid-json'],
    ['an empty body', () => post(''), 400, 'invalid-json'],
    ['another type', () => post('{"name":"a"}', { 'content-type': 'text/plain' }), 415, 'media-type'],
    ['another shape', () => post('{"name":3}'), 400, 'invalid-request'],
    ['a key too many', () => post('{"name":"a","__proto__x":1}'), 400, 'invalid-request'],
    ['a key of prototypes', () => post('{"name":"a","__proto__":{}}'), 400, 'invalid-json'],
    ['a large body', () => post(JSON.stringify({ name: 'a'.repeat(2000) })), 413, 'body-too-large'],
    ['a fault of the server', () => ask('/fails'), 500, 'internal'],
    ['no answer in time', () => ask('/waits', { method: 'POST' }), 504, 'deadline'],
  ])('should answer %s with a document and a code', async (_, send, status, code) => {
    const { response, body } = await send();
    expect([response.status, response.headers.get('content-type')]).toEqual([
      status,
      expect.stringContaining('application/problem+json'),
    ]);
    expect(body).toEqual({
      type: `tag:tributary-rl,2026:problem/${code}`,
      title: expect.stringMatching(/^[A-Z].*\.$/),
      status,
      code,
      detail: expect.stringMatching(/^(body(\.\w+)?: )?expected .+/),
      instance: new URL(response.url).pathname,
    });
  });

  it('should name the value of a body that is wrong', async () => {
    expect(await post('{"name":"too long"}')).toMatchObject({
      body: { detail: 'body.name: expected a short name' },
    });
  });

  it('should name the methods of a path', async () => {
    const { response } = await ask('/echo', { headers: { authorization: '' } });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('should say nothing of the inside, which its log has', async () => {
    const { response, body } = await ask('/fails');
    expect(JSON.stringify([body, ...response.headers])).not.toMatch(/secret|fastify|node|stack/i);
    expect(logged.join('')).toContain('the secret of the inside');
  });

  it('should refuse bytes that are not UTF-8', async () => {
    const { body } = await ask('/echo', {
      method: 'POST',
      body: Buffer.from('{"name":"\xe9"}', 'latin1'),
      headers: { 'content-type': 'application/json' },
    });
    expect(body).toMatchObject({
      code: 'invalid-json',
      detail: 'expected a body in UTF-8, got invalid bytes',
    });
  });

  it.each([
    ['is no request', ['what\r\n\r\n'], '400 bad-request', 'bad-request'],
    [
      'names another host',
      ['GET /open HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n'],
      '421',
      'wrong-host',
    ],
    ['names no host', ['GET /open HTTP/1.1\r\nconnection: close\r\n\r\n'], '400', 'bad-'],
    [
      'has headers without an end',
      [`GET /open HTTP/1.1\r\n${'x-a: b\r\n'.repeat(5000)}`],
      '431',
      'headers-too-large',
    ],
    [
      'has a body that never ends',
      [`POST /echo HTTP/1.1\r\n${TO_LOCALHOST}${JSON_TYPE}content-length: 100\r\n\r\n{`],
      '408',
      'request-timeout',
    ],
    [
      'has a body that grows on and on',
      [
        `POST /echo HTTP/1.1\r\n${TO_LOCALHOST}${JSON_TYPE}transfer-encoding: chunked\r\n\r\n`,
        ...Array.from({ length: 50 }, () => '64\r\n'.concat('a'.repeat(100), '\r\n')),
      ],
      '413',
      'body-too-large',
    ],
  ])('should answer what %s, and end the connection', async (_, parts, status, code) => {
    const answered = await exchange(...parts);
    expect(answered).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
    expect(answered).toContain(`"code":"${code}`);
  });

  it('should refuse an address that is taken', async () => {
    await expect(
      openServer(
        {
          name: 'second',
          host: '127.0.0.1',
          port: Number(new URL(server.url).port),
          settings: { hosts: '', origins: '' },
          addressSetting: '--port',
        },
        () => undefined,
      ),
    ).rejects.toMatchObject({
      code: 'TRIB_USAGE',
      message: expect.stringMatching(/second: expected to listen on .*got EADDRINUSE. Choose another --port/),
    });
  });
});

describe('a request', () => {
  it('should be answered for a page of the server, also behind a proxy with TLS', async () => {
    expect(await post('{"name":"a"}', { origin: server.url.replace('http', 'https') })).toMatchObject({
      status: 200,
      body: { name: 'a' },
    });
  });

  it('should be answered for a page of an allowed origin, which may ask first without the token', async () => {
    const origin = 'https://studio.example';
    const asked = await fetch(`${server.url}/echo`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, origin]);
    const { response } = await post('{"name":"a"}', { origin });
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
  });

  it('should need no token for what is open', async () => {
    expect(await ask('/open', { headers: { authorization: '' } })).toMatchObject({ body: { isOpen: true } });
  });

  it('should end what it waits for when its sender goes', async () => {
    const leaving = new AbortController();
    const asked = ask('/waits', { method: 'POST', signal: leaving.signal }).catch(() => 'left');
    await vi.waitFor(() => expect(waits?.aborted).toBe(false), { interval: 2 });
    leaving.abort();
    expect(await asked).toBe('left');
    await vi.waitFor(() => expect(waits?.aborted).toBe(true), { interval: 2 });
  });

  it('should be in the OpenAPI document', async () => {
    const { body } = await ask('/openapi.json', { headers: { authorization: '' } });
    expect(body).toMatchObject({ openapi: '3.1.0', paths: { '/echo': { post: {} }, '/open': { get: {} } } });
    expect(Object.keys((body as { paths: object }).paths)).not.toContain('/*');
  });
});

it('should count the requests of a client, and refuse one too many before it looks at the token', async () => {
  const statuses = new Set<number>();
  for (let sent = 0; sent < 200 && !statuses.has(429); sent += 20) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask('/fails', { headers: { authorization: '' } })),
    );
    for (const { status, response, body } of answers) {
      statuses.add(status);
      if (status !== 429) continue;
      expect(body).toMatchObject({ code: 'rate-limited' });
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  }
  expect([...statuses]).toEqual([401, 429]);
});
