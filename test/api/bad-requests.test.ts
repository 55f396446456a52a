import { describe, expect, it } from 'vitest';
import { GATEWAY_PROBLEMS } from '../../src/api/gateway/gateway-problems.js';
import { DESK_ERROR_CODES, type DeskErrorCode } from '../../src/streams/stages/gateway/desk.js';
import { gatewayBench } from './gateway-bench.js';

const { desk, client, ask, post, draw, say } = gatewayBench();

describe('a request that is wrong', () => {
  const PROMPT = 'body.prompt: expected text';
  it.each([
    ['no prompt', () => draw({}), 400, 'invalid-request', PROMPT],
    ['an empty prompt', () => draw({ prompt: ' \n ' }), 400, 'invalid-request', PROMPT],
    [
      'a prompt of 10,000 characters',
      () => draw({ prompt: 'a'.repeat(10_000) }),
      400,
      'invalid-request',
      PROMPT,
    ],
    ['control characters', () => draw({ prompt: 'a\u001b[31m' }), 400, 'invalid-request', PROMPT],
    [
      'half a character',
      () => post('/v1/images/generations', '{"prompt":"\\udc00"}'),
      400,
      'invalid-request',
      PROMPT,
    ],
    [
      'another number of pictures',
      () => draw({ prompt: 'a', n: 1 }),
      400,
      'invalid-request',
      'body.n: expected 4 or',
    ],
    [
      'a seed that is none',
      () => draw({ prompt: 'a', seed: -1 }),
      400,
      'invalid-request',
      'body.seed: expected an integer',
    ],
    [
      'a stream',
      () => draw({ prompt: 'a', stream: true }),
      400,
      'invalid-request',
      'body.stream: expected false',
    ],
    ['an unknown key', () => draw({ prompt: 'a', steps: 9 }), 400, 'invalid-request', 'body: expected'],
    [
      'a large body',
      () => draw({ prompt: 'a', user: 'a'.repeat(70_000) }),
      413,
      'body-too-large',
      'expected',
    ],
    [
      'no JSON',
      () => post('/v1/images/generations', 'prompt=a'),
      400,
      'invalid-json',
      'expected a JSON body',
    ],
    [
      'a vote for a group that is not there',
      () => say('g-9', { user: 'b', best: 0 }),
      404,
      'unknown-group',
      'group g-9',
    ],
    ['a vote for a finished group', () => say('done', { user: 'b', best: 0 }), 409, 'finished', 'group done'],
    ['a vote out of range', () => say('g-0', { user: 'b', best: 4 }), 422, 'out-of-range', 'vote: expected'],
    [
      'a vote that is no number',
      () => say('g-0', { user: 'b', best: '0' }),
      400,
      'invalid-request',
      'body.best',
    ],
    [
      'a vote for a picture before the first',
      () => say('g-0', { user: 'b', best: -1 }),
      400,
      'invalid-request',
      'body.best',
    ],
    [
      'a rating out of range',
      () => say('g-0', { user: 'b', ratings: [2] }),
      400,
      'invalid-request',
      'body.ratings.0',
    ],
    [
      'two judgments',
      () => say('g-0', { user: 'b', best: 0, none: true }),
      400,
      'invalid-request',
      'body: expected one of best',
    ],
    ['no judgment', () => say('g-0', { user: 'b' }), 400, 'invalid-request', 'body: expected one of best'],
    ['nobody', () => say('g-0', { best: 0 }), 400, 'invalid-request', 'body.user: expected text'],
    [
      'another vote of the same voter',
      () => say('g-0', { user: 'ann', best: 2 }),
      409,
      'contradicts',
      'vote of ann',
    ],
    [
      'groups of nobody',
      () => ask('/v1/groups'),
      400,
      'invalid-request',
      'querystring: expected needs=feedback',
    ],
    [
      'too many groups',
      () => ask('/v1/groups?user=a&limit=1e9'),
      400,
      'invalid-request',
      'querystring.limit: expected',
    ],
    ['a group of another run', () => ask('/v1/groups/other'), 404, 'unknown-group', 'group: expected'],
    [
      'a picture of another run',
      () => ask('/v1/groups/other/pictures/0.png'),
      404,
      'unknown-group',
      'group: expected',
    ],
    ['a picture too many', () => ask('/v1/groups/g-0/pictures/4.png'), 404, 'unknown-picture', 'group g-0'],
    [
      'a file beside the pictures',
      () => ask('/v1/groups/g-0/pictures/..%2Fgroup.json'),
      404,
      'unknown-picture',
      'group g-0',
    ],
    ['a person without a name', () => ask('/v1/people/'), 400, 'invalid-request', 'params.person'],
    [
      'no token',
      () => ask('/v1/status', { headers: { authorization: '' } }),
      401,
      'unauthorized',
      'expected the bearer',
    ],
    [
      'another token',
      () => ask('/v1/status', { headers: { authorization: 'Bearer x' } }),
      401,
      'unauthorized',
      'expected the bearer',
    ],
    [
      'another origin',
      () => ask('/v1/status', { headers: { origin: 'https://evil.example' } }),
      403,
      'origin-not-allowed',
      'expected a page',
    ],
  ])(
    'should be answered with a problem and leave the run alone: %s',
    async (_, send, status, code, detail) => {
      desk.add();
      desk.add({ id: 'done', state: 'trained' });
      await desk.vote('g-0', { voter: 'ann', best: 1 });
      const answer = await send();
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        status,
        'application/problem+json',
      ]);
      expect(answer.body).toMatchObject({ status, code, detail: expect.stringContaining(detail) });
      expect([desk.drawn, desk.votes.length]).toEqual([[], 1]);
    },
  );

  it('should take markup as the words that it is', async () => {
    const prompt = '<script>alert(1)</script> & "quotes" 🎈';
    expect((await draw({ prompt })).status).toBe(200);
    expect(desk.drawn).toMatchObject([{ prompt }]);
    expect(await client.group('g-0')).toMatchObject({ prompt });
  });

  it.each(Object.keys(DESK_ERROR_CODES) as DeskErrorCode[])(
    'should say what the desk refuses: %s',
    async (code) => {
      desk.refusal = code;
      const { status, body } = await draw({ prompt: 'a' });
      const [expected, title] = GATEWAY_PROBLEMS[code];
      expect([status, body]).toEqual([
        expected,
        expect.objectContaining({ code, title, error: expect.objectContaining({ code }) }),
      ]);
      await expect(client.images({ prompt: 'a' })).rejects.toMatchObject({
        status,
        code,
        retryAfter: { 'queue-full': 1, 'rule-failed': 10, 'shutting-down': 10 }[code as string] ?? null,
      });
    },
  );
});
