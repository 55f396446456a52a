import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ProblemError, type ServerEvent, TributaryClient } from '../../src/client/index.js';

/** Answers with these texts, one after the other; returns where, and the heads of the requests. */
async function serve(...answers: { status?: number; type?: string; text: string }[]) {
  const asked: { url: string | undefined; last: string | string[] | undefined }[] = [];
  const server = createServer((request, response) => {
    asked.push({ url: request.url, last: request.headers['last-event-id'] });
    const { status = 200, type = 'application/json', text } = answers.shift() ?? { status: 404, text: '' };
    response.writeHead(status, { 'content-type': type }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/behind/a/proxy//`, asked };
}

const event = (id: string, data: object) => `id: ${id}\nevent: x\ndata: ${JSON.stringify(data)}\n\n`;

describe('TributaryClient', () => {
  it('should need nothing that a browser lacks', async () => {
    const { outputFiles } = await build({
      entryPoints: ['src/client/index.ts'],
      bundle: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      logLevel: 'silent',
    });
    expect(outputFiles[0]?.text).not.toMatch(/\b(require|import)\b/);
  });

  it('should keep the path of a server behind a proxy, and names as they are', async () => {
    const { baseUrl, asked } = await serve({ text: '{}' }, { text: '{"groups":[]}' });
    const client = new TributaryClient({ baseUrl });
    await client.exportPerson('a/b c');
    await client.groups({ voter: 'ü&', limit: 3 });
    expect(asked.map(({ url }) => url)).toEqual([
      '/behind/a/proxy/v1/people/a%2Fb%20c',
      '/behind/a/proxy/v1/groups?needs=feedback&voter=%C3%BC%26&limit=3',
    ]);
  });

  it('should say what a proxy answered that knows no problem documents', async () => {
    const { baseUrl } = await serve({ status: 502, type: 'text/html', text: '<h1>no</h1>' });
    const error = await new TributaryClient({ baseUrl }).status().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({
      status: 502,
      code: '',
      message: 'the server answered 502 Bad Gateway',
      retryAfter: null,
    });
  });

  it('should come back to events that broke off, where it was, until it is refused', async () => {
    const { baseUrl, asked } = await serve(
      {
        text: `: follows\n\n${event('7-1', { type: 'run' })}${event('7-2', { type: 'reset' })}id: 7-3\ndata: {"ty`,
      },
      { text: event('7-3', { type: 'run' }) },
      { status: 401, text: '{"code":"unauthorized","detail":"expected the bearer token"}' },
    );
    const told: ServerEvent[] = [];
    const read = async () => {
      for await (const one of new TributaryClient({ baseUrl, waitMs: 1 }).events()) told.push(one);
    };
    await expect(read()).rejects.toMatchObject({ code: 'unauthorized' });
    expect(told.map(({ type }) => type)).toEqual(['run', 'reset', 'run']);
    expect(asked.map(({ last }) => last)).toEqual([undefined, '7-2', '7-3']);
  });

  it('should end its events when it is told to', async () => {
    const { baseUrl } = await serve({ text: event('1', { type: 'run' }) });
    const leaving = new AbortController();
    const told: ServerEvent[] = [];
    for await (const one of new TributaryClient({ baseUrl }).events({ signal: leaving.signal })) {
      told.push(one);
      leaving.abort();
    }
    expect(told).toEqual([{ type: 'run' }]);
  });
});
