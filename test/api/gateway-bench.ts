/** @file A gateway's server over a desk without a run, and ways to ask it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMPTY } from 'rxjs';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { openGatewayServer } from '../../src/api/open-gateway-server.js';
import { watchesOnly } from '../../src/api/run/control-access.js';
import { TributaryClient } from '../../src/client/index.js';
import type { HttpServer } from '../../src/server/open-server.js';
import { FakeDesk } from './fake-desk.js';

export const TOKEN = 'secret';

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> | null;
}

export interface GatewayBench {
  readonly desk: FakeDesk;
  readonly client: TributaryClient;
  url(): string;
  ask(path: string, init?: RequestInit & { headers?: Record<string, string> }): Promise<Asked>;
  /** Sends JSON, or a text as it is. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Asked>;
  draw(body: object): Promise<Asked>;
  say(id: string, body: object): Promise<Asked>;
}

/** Opens one server for all tests of a file; each begins with an empty desk. */
export function gatewayBench(): GatewayBench {
  const desk = new FakeDesk();
  let server: HttpServer;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tributary-test-'));
    server = await openGatewayServer({
      desk,
      http: { host: '127.0.0.1', port: 0, allowHosts: [], allowOrigins: ['https://studio.example'] },
      setting: 'stages.gateway.http',
      token: TOKEN,
      pictures: 4,
      answerWithinMs: 30_000,
      runPath: folder,
      control: watchesOnly('This server only shows runs.'),
      live: {
        details: async () => ({ feedback: { rule: 'best-of-n', voters: 1, pictures: 4 } }),
        events$: EMPTY,
      },
      page: null,
    });
  });
  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });
  beforeEach(() => desk.clear());
  const client = new TributaryClient({
    baseUrl: 'http://gateway/',
    token: TOKEN,
    fetch: (url, init) => fetch(String(url).replace('http://gateway', server.url), init),
  });
  const ask: GatewayBench['ask'] = async (path, { headers, ...init } = {}) => {
    const response = await fetch(`${server.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json().catch(() => null)) as Asked['body'],
    };
  };
  const post: GatewayBench['post'] = (path, body, headers = {}) =>
    ask(path, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  return {
    desk,
    client,
    url: () => server.url,
    ask,
    post,
    draw: (body) => post('/v1/images/generations', body),
    say: (id, body) => post(`/v1/groups/${id}/feedback`, body),
  };
}
