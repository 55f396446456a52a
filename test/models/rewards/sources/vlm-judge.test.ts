import { describe, expect, it } from 'vitest';
import { openReward } from '../../../../src/models/rewards/index.js';
import { choice } from '../../../fixtures/chat-server.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { rewardContext, unaborted } from '../../../fixtures/reward-context.js';
import {
  brightness,
  type RewardRequest,
  sendJson,
  startRewardServer,
} from '../../../fixtures/reward-server.js';

const gray = (level: number) => new Float32Array(24).fill((level / 255) * 2 - 1);
const grays = (...levels: number[]) => ({ prompt: 'three cats', images: levels.map(gray) });

type Part = { readonly text: string } | { readonly image_url: { readonly url: string } };

/** The question, and the levels of the pictures in [0, 1]. */
function askedOf({ body }: RewardRequest) {
  const [{ content }] = (body as unknown as { messages: [{ content: readonly Part[] }] }).messages;
  const levels = content.flatMap((part) =>
    'image_url' in part ? [brightness(part.image_url.url.replace('data:image/png;base64,', ''))] : [],
  );
  return { question: content.flatMap((part) => ('text' in part ? [part.text] : [])).join(), levels };
}

/** A judge that answers what `reply` makes of the question and the levels. */
async function judge(by: 'pairs' | 'ranking', reply: (levels: readonly number[]) => string) {
  const { url, requests } = await startRewardServer((request, response) =>
    sendJson(response, choice(reply(askedOf(request).levels))),
  );
  const base = { url: url.replace('/score', '/v1'), model: 'qwen', maxTokens: 64, timeoutMs: 10_000 };
  const criterion = 'shows "{prompt}" better';
  const scorer = await openReward(
    { from: 'vlm-judge', ...base, requestsAtOnce: 3, by, criterion },
    rewardContext({ imageShape: [3, 2, 4], environment: {} }),
  );
  return { score: (...levels: number[]) => scorer.score(grays(...levels), unaborted()), requests };
}

const brighter = ([first = 0, second = 0]: readonly number[]) =>
  first === second ? '0' : first > second ? '1' : '2';

describe('vlm-judge by pairs', () => {
  it('should give the win rate over all pairs in both orders, a tie half a win', async () => {
    const { score, requests } = await judge('pairs', brighter);
    expect((await score(0, 204, 102, 102)).rewards).toEqual([0, 1, 0.5, 0.5]);
    expect(requests).toHaveLength(12);
    const asked = requests.map(askedOf);
    expect(new Set(asked.map(({ levels }) => levels.length))).toEqual(new Set([2]));
    expect(asked[0]?.question).toContain('Which of these two pictures shows "three cats" better?');
  });

  it('should let a judge who always takes the first picture decide nothing', async () => {
    const { score } = await judge('pairs', () => 'Both are good.\nAnswer: 1');
    expect((await score(0, 204, 102)).rewards).toEqual([0.5, 0.5, 0.5]);
  });

  it('should ask nothing about a picture that is alone', async () => {
    const { score, requests } = await judge('pairs', brighter);
    expect([(await score(7)).rewards, requests.length]).toEqual([[0.5], 0]);
  });

  it.each(['the first', '3', '1 or 2', ''])(
    'should refuse an answer that names no winner: %j',
    async (answer) => {
      const { score } = await judge('pairs', () => answer);
      const [code, message] = (await faultOf(() => score(0, 9))) ?? [];
      expect(code).toBe('TRIB_REWARD');
      expect(message).toMatch(/expected 1, 2 or 0 for one picture, the other or neither, got ("|nothing)/);
    },
  );
});

describe('vlm-judge by ranking', () => {
  it('should show all pictures at once, and give 1 to the best and 0 to the worst', async () => {
    const { score, requests } = await judge('ranking', () => 'From best to worst:\n2, 3, 1');
    expect((await score(0, 204, 102)).rewards).toEqual([0, 1, 0.5]);
    expect(requests.map((request) => askedOf(request).levels.length)).toEqual([3]);
  });

  it.each([
    ['2, 1', '2 numbers and 2 of the pictures in "2, 1"'],
    ['2, 2, 1', '3 numbers and 2 of the pictures in "2, 2, 1"'],
    ['2, 3, 1, 4', '4 numbers and 3 of the pictures in "2, 3, 1, 4"'],
    ['all good', '0 numbers and 0 of the pictures in "all good"'],
  ])('should refuse an answer for too few pictures, or too many: %s', async (answer, got) => {
    const { score } = await judge('ranking', () => answer);
    const [code, message] = (await faultOf(() => score(0, 9, 18))) ?? [];
    expect(code).toBe('TRIB_REWARD');
    expect(message).toContain(
      `expected a ranking of 3 pictures, each of the numbers 1 to 3 once, got ${got}.`,
    );
  });
});
