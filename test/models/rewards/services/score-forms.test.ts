import { describe, expect, it } from 'vitest';
import { createHttpReward, type HttpRewardSettings } from '../../../../src/models/rewards/sources/http.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { unaborted } from '../../../fixtures/reward-context.js';
import { sendJson, startRewardServer } from '../../../fixtures/reward-server.js';

const images = [0, 1, -1].map((value) => new Float32Array(24).fill(value));
const metadata = { tag: 'counting' };

/** A service with these answers in turn, and what scores by it. */
async function service(own: Pick<HttpRewardSettings, 'form' | 'scoreField'>, ...answers: readonly unknown[]) {
  const { url, requests } = await startRewardServer(({ index }, response) =>
    sendJson(response, answers[index]),
  );
  const scorer = createHttpReward({ url, timeoutMs: 10_000, batchSize: 2, imageShape: [3, 2, 4], ...own });
  const score = () => scorer.score({ prompt: 'a ball', metadata, images }, unaborted());
  return { score, bodies: () => requests.map(({ body }) => body as unknown) };
}

const png = expect.stringMatching(/^iVBOR/);

describe('the form batch', () => {
  it('should send a prompt with each picture, and read the rewards', async () => {
    const { score, bodies } = await service({ form: 'batch' }, { rewards: [1, 2] }, { rewards: [3] });
    expect(await score()).toEqual({ rewards: [1, 2, 3], features: null });
    expect(bodies()).toEqual([
      { prompts: ['a ball', 'a ball'], images: [png, png], extra: metadata },
      { prompts: ['a ball'], images: [png], extra: metadata },
    ]);
  });

  it.each([
    [{ scores: [1] }, '2 rewards, one per picture, got 1.'],
    [{ scores: 3 }, 'a list of numbers at scores, got a number 3.'],
    [{ rewards: [1, 2] }, 'a mapping with `scores`, got an object with "rewards".'],
    [[1, 2], 'a mapping with `scores`, got a list of 2.'],
    [{ scores: [1, null] }, 'a finite number at index 1, got null.'],
  ])('should say what is wrong with an answer: %j', async (answer, expected) => {
    const { score } = await service({ form: 'batch', scoreField: 'scores' }, answer);
    const [code, message] = (await faultOf(score)) ?? [];
    expect(code).toBe('TRIB_REWARD');
    expect(message).toContain(`/score: expected ${expected}`);
  });
});

describe('the form single', () => {
  it('should send one picture a request, and read its score', async () => {
    const answers = [{ score: 1 }, { score: 2 }, { score: -3, seconds: 1 }];
    const { score, bodies } = await service({ form: 'single' }, ...answers);
    expect((await score()).rewards).toEqual([1, 2, -3]);
    expect(bodies()).toEqual([1, 2, 3].map(() => ({ prompt: 'a ball', image: png, metadata })));
  });

  it('should read another key where the config names it, and refuse text', async () => {
    const { score } = await service(
      { form: 'single', scoreField: 'combined' },
      { combined: 1, score: 2 },
      { combined: '2' },
    );
    const [code, message] = (await faultOf(score)) ?? [];
    expect([code, message]).toEqual([
      'TRIB_REWARD',
      expect.stringContaining('expected a finite number at index 0, got a string "2".'),
    ]);
  });
});
