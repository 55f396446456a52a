import { connect } from 'node:net';
import OpenAI from 'openai';
import { describe, expect, it, vi } from 'vitest';
import { PIXEL } from './fake-desk.js';
import { gatewayBench, TOKEN } from './gateway-bench.js';

const { desk, client, url, ask, draw, say } = gatewayBench();

describe('pictures', () => {
  it('should be drawn for the client of OpenAI', async () => {
    const openai = new OpenAI({ baseURL: `${url()}/v1`, apiKey: TOKEN, maxRetries: 0 });
    const answer = await openai.images.generate({
      prompt: ' a red circle ',
      model: 'any',
      size: 'auto',
      user: 'ann',
    });
    expect(desk.drawn).toMatchObject([{ prompt: 'a red circle', client: 'ann' }]);
    expect(answer).toMatchObject({ created: 1796040000, id: 'g-0', size: '16x16', output_format: 'png' });
    expect(answer.data).toHaveLength(4);
    const [first] = answer.data ?? [];
    expect(Buffer.from(first?.b64_json ?? '', 'base64')).toEqual(PIXEL);
    expect(first?.url).toBe(`${url()}/v1/groups/g-0/pictures/0.png`);
    desk.refusal = 'queue-full';
    await expect(openai.images.generate({ prompt: 'a red circle' })).rejects.toMatchObject({
      status: 429,
      code: 'queue-full',
      message: '429 expected something else, got this',
    });
  });

  it('should come in the form that is asked for, from the seed that is given', async () => {
    const base64 = await draw({ prompt: 'a', n: 4, size: '16x16', seed: 7, response_format: 'b64_json' });
    expect(base64.body).toMatchObject({
      seed: 7,
      data: Array(4).fill({ b64_json: PIXEL.toString('base64') }),
    });
    const { data } = await client.images({ prompt: 'a', response_format: 'url' });
    expect(Object.keys(data[0] ?? {})).toEqual(['url']);
    expect(Buffer.from(await (await client.picture('g-1', 3)).arrayBuffer())).toEqual(PIXEL);
    expect(Buffer.from(await (await client.picture('g-1', 'guess-2-0')).arrayBuffer())).toEqual(PIXEL);
  });

  it('should have the size that the model draws, and no other', async () => {
    for (const _ of ['when it is not known yet, perhaps', 'when it is'])
      expect(await draw({ prompt: 'a', size: '1024x1024' })).toMatchObject({
        status: 400,
        body: { code: 'invalid-request', detail: 'body.size: expected 16x16 or nothing, got 1024x1024' },
      });
    expect(desk.drawn.length).toBeLessThan(2);
  });

  it('should be kept by browsers, which show a session instead of the token', async () => {
    await client.images({ prompt: 'a' });
    const opened = await ask('/v1/session', { method: 'POST' });
    const cookie = opened.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect(opened.headers.get('set-cookie')).toMatch(
      /^tributary-session=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    const picture = '/v1/groups/g-0/pictures/0.png';
    const { status, headers } = await ask(picture, { headers: { authorization: '', cookie } });
    expect([status, headers.get('cache-control')]).toEqual([200, 'private, max-age=31536000, immutable']);
    for (const wrong of ['', cookie.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))])
      expect((await ask(picture, { headers: { authorization: '', cookie: wrong } })).status).toBe(401);
  });

  it('should not be drawn for a client that has gone', async () => {
    desk.gate = new Promise(() => undefined);
    const leaving = new AbortController();
    const asked = client.images({ prompt: 'a' }, { signal: leaving.signal }).catch(() => 'left');
    await vi.waitFor(() => expect(desk.drawn).toHaveLength(1), { interval: 2 });
    expect(desk.drawn[0]?.signal.aborted).toBe(false);
    leaving.abort();
    expect(await asked).toBe('left');
    await vi.waitFor(() => expect(desk.drawn[0]?.signal.aborted).toBe(true), { interval: 2 });
  });
});

describe('feedback', () => {
  it.each([
    { best: 3 },
    { ranking: [3, 1, 0, 2] },
    { ratings: [0, 0.5, 1, 0.25] },
    { none: true as const },
    { skip: true as const },
  ])('should reach the desk: %j', async (judgment) => {
    desk.add();
    expect(await client.feedback('g-0', { user: 'bob', ...judgment })).toEqual(desk.group('g-0'));
    expect(desk.votes).toEqual([{ id: 'g-0', vote: { voter: 'bob', ...judgment } }]);
  });

  it('should count once, however often it is sent', async () => {
    desk.add();
    const vote = { user: 'bob', idempotencyKey: 'k', best: 1 };
    expect((await say('g-0', vote)).status).toBe(201);
    expect((await say('g-0', vote)).status).toBe(200);
    expect(desk.votes).toHaveLength(1);
  });

  it('should be asked of those who have not given it', async () => {
    desk.add();
    desk.add({ requestedBy: 'bob' });
    await client.feedback('g-0', { user: 'bob', best: 0 });
    expect(await client.groups({ voter: 'bob', limit: 5 })).toMatchObject([{ id: 'g-1' }]);
    expect(await client.groups({ user: 'bob' })).toMatchObject([{ id: 'g-1' }]);
    expect(await client.group('g-0')).toEqual(desk.group('g-0'));
    const alone = { complete: true, gateways: { running: 1, answered: 1 } };
    expect(await client.exportPerson('bob')).toMatchObject({
      groups: [{ id: 'g-1' }],
      votes: [{ groupId: 'g-0', judgment: { best: 0 } }],
      ...alone,
    });
    expect(await client.deletePerson('bob')).toEqual({ groups: 1, votes: 0, ...alone });
    expect(await client.status()).toEqual(desk.status());
  });
});

describe('events', () => {
  it('should reach the client, and the run as it waits', async () => {
    expect(await client.run()).toMatchObject({
      state: 'waiting',
      numRounds: 0,
      feedback: { rule: 'best-of-n' },
      control: { canChange: false, reason: 'This server only shows runs.' },
    });
    const leaving = new AbortController();
    const events = client.events({ signal: leaving.signal });
    const first = events.next();
    const group = desk.add();
    await vi.waitFor(() => expect(desk.events$.observed).toBe(true), { interval: 2 });
    const sending = setInterval(() => desk.events$.next({ type: 'group', group }), 5);
    expect(await first).toEqual({ done: false, value: { type: 'group', group } });
    clearInterval(sending);
    leaving.abort();
    await events.return();
  });

  it('should not hold the server up when nobody reads them', async () => {
    const socket = connect(Number(new URL(url()).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(`GET /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`);
    const group = desk.add({ prompt: 'a'.repeat(200_000) });
    for (let sent = 0; sent < 100; sent++) desk.events$.next({ type: 'group', group });
    expect(await client.status()).toEqual(desk.status());
    socket.destroy();
  });
});
