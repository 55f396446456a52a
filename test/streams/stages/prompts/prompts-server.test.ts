import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type RewardNameFault,
  rewardNameFault,
} from '../../../../src/streams/config/resolved/named-rewards.js';
import { PromptInbox } from '../../../../src/streams/stages/prompts/prompt-inbox.js';
import { openPromptsServer } from '../../../../src/streams/stages/prompts/prompts-server.js';
import { COMBINED } from '../../config/combined-stages.js';
import { stageBench } from '../stage-bench.js';

/** An endpoint whose prompts nobody takes, so that all of them wait. */
async function start({
  maxWaiting = 100,
  token = undefined as string | undefined,
  faultOf = (() => null) as RewardNameFault,
} = {}) {
  const bench = stageBench(['transport.capacity=1000']);
  const inbox = new PromptInbox({ transport: bench.context.transport, maxWaiting, faultOf });
  const server = await openPromptsServer({ host: '127.0.0.1', port: 0, token, inbox });
  onTestFinished(() => server.close());
  const send = async (body: unknown, changes: RequestInit = {}, path = '/prompts') => {
    const response = await fetch(`${server.url}${path}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
      ...changes,
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  return { ...bench, inbox, server, send };
}

describe('POST /prompts', () => {
  it('should take one prompt, and several, with ids or without', async () => {
    const { send, read } = await start();
    const published = read('incoming-prompts');
    expect(await send({ prompt: 'a', id: 'one' })).toMatchObject({
      status: 202,
      body: { accepted: 1, waiting: 1 },
    });
    expect(await send({ prompts: [' b ', 'c'], ids: ['two', 'three'] })).toMatchObject({
      status: 202,
      body: { accepted: 2, waiting: 3 },
    });
    expect(await send({ prompt: 'd' })).toMatchObject({ status: 202, body: { accepted: 1, waiting: 4 } });
    expect(published.slice(0, 3)).toEqual([
      { id: 'one', prompt: 'a' },
      { id: 'two', prompt: 'b' },
      { id: 'three', prompt: 'c' },
    ]);
    expect(published[3]?.id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('should take metadata of one prompt, and of some of several', async () => {
    const { send, read } = await start();
    const published = read('incoming-prompts');
    await send({ prompt: 'a', id: '1', metadata: { answer: ['x'], count: 2 } });
    await send({ prompts: ['b', 'c'], ids: ['2', '3'], metadata: [null, { tag: 'c' }] });
    expect(published).toEqual([
      { id: '1', prompt: 'a', metadata: { answer: ['x'], count: 2 } },
      { id: '2', prompt: 'b' },
      { id: '3', prompt: 'c', metadata: { tag: 'c' } },
    ]);
  });

  it('should refuse a body that is not UTF-8', async () => {
    const { server } = await start();
    const response = await fetch(`${server.url}/prompts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from('{"prompt": "caf\xe9"}', 'latin1'),
    });
    expect([response.headers.get('content-type'), await response.json()]).toEqual([
      'application/problem+json',
      {
        type: 'tag:tributary-rl,2026:problem/invalid-json',
        title: 'The body is not JSON in UTF-8.',
        status: 400,
        code: 'invalid-json',
        detail: 'expected a body in UTF-8, got invalid bytes',
        instance: '/prompts',
        error: 'expected a body in UTF-8, got invalid bytes',
      },
    ]);
  });

  it('should take a prompt that waits already once', async () => {
    const { send, read } = await start();
    const published = read('incoming-prompts');
    await send({ prompt: 'a', id: 'one' });
    expect(await send({ prompts: ['a', 'a', 'b'], ids: ['one', 'one', 'two'] })).toMatchObject({
      status: 202,
      body: { accepted: 3, waiting: 2 },
    });
    expect(published.map(({ id }) => id)).toEqual(['one', 'two']);
  });

  it('should take exactly as many as may wait, whoever comes at the same time', async () => {
    const { send, inbox } = await start({ maxWaiting: 10 });
    const answers = await Promise.all(
      Array.from({ length: 25 }, (_, index) => send({ prompt: `p ${index}` })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(10);
    expect(refused).toHaveLength(15);
    expect(refused[0]?.headers.get('retry-after')).toBe('5');
    expect(refused[0]?.body).toMatchObject({
      code: 'queue-full',
      error: 'expected no more than 10 prompts to wait, got 1 on top of 10',
    });
    expect(inbox.numWaiting).toBe(10);
  });

  it('should take all of a list or none', async () => {
    const { send, inbox } = await start({ maxWaiting: 3 });
    expect(await send({ prompts: ['a', 'b'] })).toMatchObject({ status: 202 });
    expect(await send({ prompts: ['c', 'd'] })).toMatchObject({ status: 429 });
    expect(inbox.numWaiting).toBe(2);
    expect(await send({ prompts: ['c', 'd', 'e', 'f'] })).toMatchObject({
      status: 413,
      body: { error: 'expected at most 3 prompts, got 4' },
    });
    expect(await send({ prompt: 'c' })).toMatchObject({ status: 202, body: { waiting: 3 } });
  });

  const SHAPE =
    'expected {"prompt": "..."} with an optional "id" and "metadata", or {"prompts": ["...", ...]} with optional "ids" and "metadata" of the same number';
  it.each([
    ['{', `${SHAPE}, got no JSON`],
    ['[]', `${SHAPE}, got another value`],
    ['null', `${SHAPE}, got another value`],
    ['{}', `${SHAPE}, got no "prompt" of text`],
    ['{"prompt": 3}', `${SHAPE}, got no "prompt" of text`],
    ['{"prompts": []}', `${SHAPE}, got other "prompts"`],
    ['{"prompts": ["a", 1]}', `${SHAPE}, got other "prompts"`],
    ['{"prompts": ["a"], "ids": []}', `${SHAPE}, got other "ids"`],
    ['{"prompt": "a", "id": 1}', `${SHAPE}, got an "id" that is no text`],
    ['{"prompt": "a", "seed": 1}', `${SHAPE}, got an unknown "seed"`],
    ['{"prompts": ["a"], "metadata": {}}', `${SHAPE}, got other "metadata"`],
    ['{"prompts": ["a"], "metadata": [{}, {}]}', `${SHAPE}, got other "metadata"`],
    ['{"prompt": "a", "metadata": 3}', 'prompt: expected metadata to be a JSON object, got number'],
    [
      '{"prompt": "a", "metadata": {"id": 9007199254740993}}',
      'expected a number that a float64 holds, or text in quotes, got 9007199254740993',
    ],
    ['{"prompt": "\\udc00"}', 'prompt: expected whole characters, got half of a surrogate pair'],
    ['{"prompt": " "}', 'prompt: expected a prompt, got an empty one'],
    ['{"prompt": "a", "id": ""}', 'prompt: expected an id of 1 to 200 characters, got one of 0'],
    ['{"prompts": ["a", "b"], "ids": ["1", "1"]}', 'expected one prompt per id, got two with "1"'],
    [
      JSON.stringify({ prompts: ['a', 'b'.repeat(4001)] }),
      'prompts[1]: expected a prompt of at most 4000 characters, got one of 4001',
    ],
  ])('should refuse %s', async (body, error) => {
    const { send, inbox } = await start();
    expect(await send(body)).toMatchObject({ status: 400, body: { error } });
    expect(inbox.numWaiting).toBe(0);
  });

  it('should refuse a body that is too large, and go on', async () => {
    const { send } = await start();
    expect(await send(JSON.stringify({ prompt: 'a'.repeat(5 * 2 ** 20) }))).toMatchObject({ status: 413 });
    expect(await send({ prompt: 'a' })).toMatchObject({ status: 202 });
  });

  it('should ask for the token where there is one', async () => {
    const { send } = await start({ token: 'secret' });
    const withToken = (authorization: string) => ({
      headers: { 'content-type': 'application/json', authorization },
    });
    const refused = await send({ prompt: 'a' });
    expect(refused).toMatchObject({ status: 401, body: { error: 'expected the bearer token' } });
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect(await send({ prompt: 'a' }, withToken('Bearer secre'))).toMatchObject({ status: 401 });
    expect(await send({ prompt: 'a' }, withToken('Bearer secret'))).toMatchObject({ status: 202 });
  });

  it('should refuse what a page of another origin could send unasked', async () => {
    const { send } = await start();
    expect(await send({ prompt: 'a' }, { headers: { 'content-type': 'text/plain' } })).toMatchObject({
      status: 415,
    });
  });

  it('should say that a prompt could not be kept, and take it when it can be', async () => {
    const { send, inbox, context } = await start();
    await context.transport.close();
    expect(await send({ prompt: 'a', id: 'one' })).toMatchObject({
      status: 503,
      body: { error: 'the prompts could not be kept; try again with the same ids' },
    });
    expect(inbox.numWaiting).toBe(0);
  });

  it('should take no more prompts than the run needs', async () => {
    const { send, inbox } = await start();
    inbox.end();
    expect(await send({ prompt: 'a' })).toMatchObject({
      status: 503,
      body: { error: 'the run takes no more prompts' },
    });
  });
});

describe('the endpoint', () => {
  it('should say that it is there, to anyone', async () => {
    const { server } = await start({ token: 'secret' });
    const response = await fetch(`${server.url}/health`);
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
  });

  it('should know nothing else', async () => {
    const { send, server } = await start();
    expect(await send({}, {}, '/other')).toMatchObject({ status: 404 });
    expect(await send({}, {}, '/health')).toMatchObject({ status: 405 });
    const response = await fetch(`${server.url}/prompts`);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('should answer what is under way when it closes, and take nothing after', async () => {
    let accept: () => void = () => undefined;
    const isAsked = new Promise<void>((asked) => {
      accept = asked;
    });
    let keep: () => void = () => undefined;
    const isKept = new Promise<void>((kept) => {
      keep = kept;
    });
    const inbox = {
      maxWaiting: 1,
      faultOf: () => null,
      accept: async () => {
        accept();
        await isKept;
        return { kind: 'accepted', waiting: 1 } as const;
      },
    };
    const server = await openPromptsServer({ host: '127.0.0.1', port: 0, token: undefined, inbox });
    const headers = { 'content-type': 'application/json' };
    const post = () => fetch(`${server.url}/prompts`, { method: 'POST', body: '{"prompt":"a"}', headers });
    const underWay = post();
    await isAsked;
    const closed = server.close();
    keep();
    expect((await underWay).status).toBe(202);
    await closed;
    await expect(post()).rejects.toThrow('fetch failed');
  });

  it('should refuse a prompt for a reward that is not there, and take none of its request', async () => {
    const faultOf = rewardNameFault({ stages: COMBINED });
    const { send, inbox } = await start({ faultOf });
    const { status, body } = await send({
      prompts: ['a', 'b'],
      metadata: [{ reward: 'fit' }, { reward: 'x' }],
    });
    expect([status, body, inbox.numWaiting]).toMatchObject([
      400,
      {
        error: 'prompts[1]: expected reward in the metadata to name one or several of fit, people, got "x"',
      },
      0,
    ]);
    expect(await send({ prompt: 'a', metadata: { reward: ['fit', 'people'] } })).toMatchObject({
      status: 202,
    });
  });

  it('should say which address it cannot have', async () => {
    const { server, inbox } = await start();
    const port = Number(new URL(server.url).port);
    await expect(
      openPromptsServer({ host: '127.0.0.1', port, token: undefined, inbox }),
    ).rejects.toMatchObject({
      code: 'TRIB_USAGE',
      message: expect.stringContaining(`127.0.0.1:${port}, got EADDRINUSE`),
    });
  });
});
