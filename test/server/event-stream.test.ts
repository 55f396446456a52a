import { connect } from 'node:net';
import { Subject } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EventStream, type ServedEvent } from '../../src/server/event-stream.js';
import { type HttpServer, openServer } from '../../src/server/open-server.js';

const events$ = new Subject<ServedEvent>();
let server: HttpServer;
let stream: EventStream;

beforeAll(async () => {
  stream = new EventStream(events$, { maxReaders: 2, kept: 2, maxWaitingBytes: 100_000, beatMs: 20 });
  server = await openServer(
    {
      name: 'test',
      host: '127.0.0.1',
      port: 0,
      settings: { hosts: '', origins: '' },
      addressSetting: '',
    },
    (app) => {
      app.get('/events', { config: { answerWithinMs: Number.POSITIVE_INFINITY } }, (request, reply) =>
        stream.answer(request, reply),
      );
    },
  );
});

afterAll(async () => {
  stream.close();
  await server.close();
});

describe('EventStream', () => {
  /** Reads until the text so far matches. */
  async function follow(until: RegExp, headers: Record<string, string> = {}): Promise<string> {
    const leaving = new AbortController();
    const response = await fetch(`${server.url}/events`, {
      headers,
      signal: leaving.signal,
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    let read = '';
    let isFirst = true;
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      read += part;
      if (isFirst) events$.next({ type: 'sent' });
      isFirst = false;
      if (until.test(read)) break;
    }
    leaving.abort();
    await vi.waitFor(() => expect(stream.numReaders).toBe(0), { interval: 2 });
    return read;
  }

  it('should reach a reader, with numbers and signs of life', async () => {
    expect(await follow(/data: .*\n\n: on\n\n/s)).toMatch(
      /^: follows\n\n(: on\n\n)*id: [0-9a-f]{8}-\d+\nevent: sent\ndata: {"type":"sent"}\n\n/,
    );
  });

  it('should reach a reader who was away, or tell it that some are gone', async () => {
    const id = /id: (\S+)/.exec(await follow(/id/))?.[1] ?? '';
    events$.next({ type: 'first' });
    events$.next({ type: 'second' });
    const missed = await follow(/second/, { 'last-event-id': id });
    expect([...missed.matchAll(/event: (\w+)/g)].map(([, type]) => type).slice(0, 2)).toEqual([
      'first',
      'second',
    ]);
    for (const last of [id.replace(/\d+$/, '0'), 'deadbeef-1', 'x'])
      expect(await follow(/event/, { 'last-event-id': last })).toContain('event: reset');
  });

  it('should not wait for a reader who never reads, nor take more readers than may be', async () => {
    const sockets = [1, 2].map(() => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.pause();
      socket.write(`GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n`);
      return socket;
    });
    await vi.waitFor(() => expect(stream.numReaders).toBe(2), { interval: 2 });
    const refused = await fetch(`${server.url}/events`);
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'too-many-readers' }]);
    await vi.waitFor(
      () => {
        events$.next({ type: 'long', data: 'a'.repeat(90_000) } as ServedEvent);
        expect(stream.numReaders).toBe(0);
      },
      { interval: 1, timeout: 20_000 },
    );
    for (const socket of sockets) socket.destroy();
  });
});
