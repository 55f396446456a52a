import { describe, expect, it } from 'vitest';
import { openReward } from '../../../../src/models/rewards/index.js';
import { createChatService } from '../../../../src/models/rewards/services/chat-service.js';
import {
  createInterrogation,
  type Interrogation,
} from '../../../../src/models/rewards/sources/vlm-question.js';
import { choice, startChatServer } from '../../../fixtures/chat-server.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { rewardContext, unaborted } from '../../../fixtures/reward-context.js';
import { sendText, startRewardServer } from '../../../fixtures/reward-server.js';

const SHAPE = [3, 2, 4] as const;
const gray = (level: number) => new Float32Array(24).fill((level / 255) * 2 - 1);
const grays = (...levels: number[]) => ({ prompt: 'three cats', images: levels.map(gray) });
const SECRET = 'secret-0123456789';

const settings = (url: string, own: Partial<Interrogation> = {}) => ({
  url,
  model: 'llava',
  maxTokens: 64,
  timeoutMs: 10_000,
  requestsAtOnce: 3,
  questions: [{ ask: 'Are there {prompt}?', expect: 'Yes' }],
  judge: 'contains' as const,
  ...own,
});

/** With waits that take no time. */
function bench(url: string, own: Partial<Interrogation> = {}, timeoutMs = 10_000) {
  const waits: number[] = [];
  const wait = async (milliseconds: number) => waits.push(milliseconds);
  const all = { ...settings(url, own), timeoutMs };
  const context = { imageShape: SHAPE, environment: { TRIBUTARY_VLM_TOKEN: SECRET } };
  const chat = createChatService(all, context, { wantsLogprobs: all.judge === 'probability', wait });
  return { scorer: createInterrogation(all, chat), waits };
}

describe('vlm-question', () => {
  it('should ask every question about every picture, and give the share that is answered as expected', async () => {
    const questions = [
      { ask: 'How many?', expect: 'three' },
      { ask: 'Are there {prompt}?', expect: 'yes' },
    ];
    const server = await startChatServer(({ question, level }) =>
      question === 'How many?' ? choice(level > 0.5 ? 'There are THREE.' : 'Two') : choice('Yes, three cats'),
    );
    const scorer = await openReward(
      { from: 'vlm-question', ...settings(server.base), questions },
      rewardContext({ imageShape: SHAPE, environment: { TRIBUTARY_VLM_TOKEN: SECRET } }),
    );
    expect(await scorer.score(grays(255, 0, 204), unaborted())).toEqual({
      rewards: [1, 0.5, 1],
      features: null,
    });
    expect(server.requests).toHaveLength(6);
    for (const { method, path, headers } of server.requests)
      expect([method, path, headers.authorization]).toEqual([
        'POST',
        '/v1/chat/completions',
        `Bearer ${SECRET}`,
      ]);
    const { body } = server.requests[0] ?? {};
    expect(body).toMatchObject({ model: 'llava', max_tokens: 64, temperature: 0 });
    expect(body).not.toHaveProperty('logprobs');
  });

  it('should keep the order of pictures whose answers come out of order', async () => {
    const held: (() => void)[] = [];
    const server = await startRewardServer((request, response) => {
      const answer = () =>
        response.writeHead(200).end(JSON.stringify(choice(request.index === 0 ? 'yes' : 'no')));
      held.push(answer);
      if (held.length === 2) for (const send of held.toReversed()) send();
      return 'answered';
    });
    const { scorer } = bench(server.url, { requestsAtOnce: 2 });
    expect((await scorer.score(grays(1, 2), unaborted())).rewards).toEqual([1, 0]);
  });

  it('should take the probability of the expected first token', async () => {
    const server = await startChatServer(({ level }) =>
      choice('Yes', level > 0.5 ? { Yes: 0.5, ' yes': 0.25, No: 0.125 } : { No: 0.75, Nope: 0.125 }),
    );
    const { scorer } = bench(server.base, { judge: 'probability' });
    const { rewards } = await scorer.score(grays(255, 0), unaborted());
    expect(rewards[0]).toBeCloseTo(0.75, 12);
    expect(rewards[1]).toBe(0);
    expect(server.requests[0]?.body).toMatchObject({ logprobs: true, top_logprobs: 20 });
  });

  it('should say that an endpoint gives no logprobs', async () => {
    const server = await startChatServer(() => choice('Yes'));
    const { scorer } = bench(server.base, { judge: 'probability' });
    expect(await faultOf(() => scorer.score(grays(0), unaborted()))).toEqual([
      'TRIB_REWARD',
      `reward service ${server.base}/chat/completions: expected logprobs of the first token, got none. Correct the service, see docs/rewards.md.`,
    ]);
  });

  it.each([
    ['Sorry, I am busy', 'expected JSON, got "Sorry, I am busy"'],
    ['{"choices":[]}', 'expected at least one choice at choices, got an empty list in "{"choices":[]}"'],
    ['{"choices":[{"message":{"content":null}}]}', 'expected text at choices.0.message.content, got null in'],
    [`{"error":"${SECRET}"}`, 'expected a list of choices at choices, got nothing in "{"error":"…"}"'],
  ])('should say what is wrong with the answer %s', async (answer, words) => {
    const server = await startRewardServer((_, response) => sendText(response, 200, answer));
    const [code, message] = await faultOf(() => bench(server.url).scorer.score(grays(0), unaborted()));
    expect(code).toBe('TRIB_REWARD');
    expect(message).toContain(words);
    expect(message).not.toContain(SECRET);
  });

  it('should look at no more of an answer than it needs', async () => {
    const many = JSON.stringify({ choices: Array(1e5).fill({ message: { content: 7 } }) });
    const server = await startRewardServer((_, response) => sendText(response, 200, many));
    const [, message] = await faultOf(() => bench(server.url).scorer.score(grays(0), unaborted()));
    expect(message).toMatch(
      /expected text at choices\.0\.message\.content, got a number 7 in "\{"choices":.{109}…"\. Correct/,
    );
  });

  it('should refuse a probability above 1', async () => {
    const server = await startChatServer(() => choice('Yes', { Yes: 148 }));
    const { scorer } = bench(server.base, { judge: 'probability' });
    const [code, message] = await faultOf(() => scorer.score(grays(0), unaborted()));
    expect(code).toBe('TRIB_REWARD');
    expect(message).toContain(
      'expected a logprob of at most 0 at choices.0.logprobs.content.0.top_logprobs.0.logprob, got a number 4.9',
    );
  });

  it('should try again what may pass, and name the variable of a token that is refused', async () => {
    const server = await startRewardServer(({ index }, response) =>
      index === 0
        ? sendText(response, 503, 'loading')
        : sendText(response, 200, JSON.stringify(choice('yes'))),
    );
    const { scorer, waits } = bench(server.url);
    expect((await scorer.score(grays(0), unaborted())).rewards).toEqual([1]);
    expect(waits).toEqual([500]);
    const closed = await startRewardServer((_, response) => sendText(response, 401, 'who?'));
    const [, message] = await faultOf(() => bench(closed.url).scorer.score(grays(0), unaborted()));
    expect(message).toContain('expected status 200, got 401, "who?". Set TRIBUTARY_VLM_TOKEN to a token');
  });

  it('should give up on an endpoint that does not answer, after five attempts', async () => {
    const server = await startRewardServer(() => 'answered');
    const { scorer, waits } = bench(server.url, {}, 20);
    const error = await scorer.score(grays(0), unaborted()).catch((fault: unknown) => fault);
    expect(error).toMatchObject({ code: 'TRIB_REWARD', retryable: true });
    expect((error as Error).message).toContain('expected an answer, got none in 20 ms in 5 attempts.');
    expect(waits).toHaveLength(4);
  });

  it('should begin no request after the first that fails', async () => {
    const server = await startRewardServer((_, response) => sendText(response, 400, 'no'));
    const { scorer } = bench(server.url, { requestsAtOnce: 1 });
    expect(await faultOf(() => scorer.score(grays(1, 2, 3, 4), unaborted()))).toEqual([
      'TRIB_REWARD',
      expect.stringContaining('got 400, "no"'),
    ]);
    expect(server.requests).toHaveLength(1);
  });
});
