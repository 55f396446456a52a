/** @file Rewards from a vision-language model that compares the pictures of a group with each other. */

import { oneOf, text } from '../../../fields.js';
import { sideBySide } from '../../threads/side-by-side.js';
import type { RewardScorer } from '../contract/reward-scorer.js';
import { defineRewardSource } from '../contract/reward-source.js';
import { type ChatService, chatFields, createChatService, fillTemplate } from '../services/chat-service.js';

export interface Judging {
  readonly by: 'pairs' | 'ranking';
  /** Follows "Which picture". */
  readonly criterion: string;
  readonly requestsAtOnce: number;
}

/** Of a picture that is compared with none. */
const NEITHER = 0.5;

/**
 * Returns a scorer that compares the n pictures of a group:
 *
 *   pairs     r_i = wins of i / (2 (n - 1)), each pair asked in both orders, a tie half a win to each: the win rate
 *   ranking   r_i = (n - place of i) / (n - 1), places from 1 for the best, all pictures in one request
 *
 * Rewards lie in [0, 1] and have the mean 1/2 in every group; a picture alone gets 1/2. A judge prefers the picture that it
 * sees first (Zheng et al. 2023, "Judging LLM-as-a-Judge"), which both orders cancel and a ranking does not.
 *
 * Errors: TRIB_REWARD if an answer does not name a picture of the pair, or leaves pictures out of the ranking.
 */
export function createJudge({ by, criterion, requestsAtOnce }: Judging, chat: ChatService): RewardScorer {
  const compare = by === 'pairs' ? winRates : ranks;
  return {
    runsOn: null,
    async score({ prompt, images }, signal) {
      const [first] = images;
      const rewards =
        first === undefined || images.length === 1
          ? images.map(() => NEITHER)
          : await compare({
              images,
              criterion: fillTemplate(criterion, prompt),
              requestsAtOnce,
              chat,
              signal,
            });
      return { rewards, features: null };
    },
    close: async () => {},
  };
}

interface Contest {
  readonly images: readonly Float32Array[];
  readonly criterion: string;
  readonly requestsAtOnce: number;
  readonly chat: ChatService;
  readonly signal: AbortSignal;
}

async function winRates({ images, criterion, requestsAtOnce, chat, signal }: Contest): Promise<number[]> {
  const question = `Which of these two pictures ${criterion}? Answer with 1 for the first picture, 2 for the second, or 0 if neither is better, and nothing else.`;
  const pairs = images.flatMap((one, first) =>
    images.flatMap((other, second) => (first === second ? [] : [{ first, second, pair: [one, other] }])),
  );
  const ask = async ({ pair }: (typeof pairs)[number], either: AbortSignal) => {
    const { text: answer } = await chat.ask(question, pair, either);
    const [winner, ...others] = numbersIn(answer);
    if (winner !== undefined && winner <= 2 && others.length === 0) return winner;
    throw chat.fault('1, 2 or 0 for one picture, the other or neither', chat.quote(answer));
  };
  const winners = await sideBySide(pairs, requestsAtOnce, ask, signal);
  return images.map((_, image) => {
    const wins = pairs.reduce((sum, { first, second }, index) => {
      const winner = winners[index];
      if (first !== image && second !== image) return sum;
      if (winner === 0) return sum + 0.5;
      return sum + ((winner === 1 ? first : second) === image ? 1 : 0);
    }, 0);
    return wins / (2 * (images.length - 1));
  });
}

async function ranks({ images, criterion, chat, signal }: Contest): Promise<number[]> {
  const count = images.length;
  const question = `These are ${count} pictures, numbered 1 to ${count} in this order. Which ${criterion}? List the numbers of all pictures from the best to the worst, separated by commas, and nothing else.`;
  const { text: answer } = await chat.ask(question, images, signal);
  const order = numbersIn(answer);
  const places = images.map((_, image) => order.indexOf(image + 1));
  const placed = places.filter((place) => place >= 0).length;
  if (placed < count || order.length !== count)
    throw chat.fault(
      `a ranking of ${count} pictures, each of the numbers 1 to ${count} once`,
      `${order.length} numbers and ${placed} of the pictures in ${chat.quote(answer)}`,
    );
  return places.map((place) => (count - 1 - place) / (count - 1));
}

/** The whole numbers in the last line of an answer; a model may think aloud before it. */
function numbersIn(answer: string): number[] {
  const line = answer.trim().split('\n').at(-1) ?? '';
  return Array.from(line.matchAll(/\d+/g), ([digits]) => Number(digits));
}

export const vlmJudge = defineRewardSource({
  name: 'vlm-judge',
  summary:
    'How a vision-language model ranks the pictures of a group among themselves, over an OpenAI-compatible endpoint that takes several pictures.',
  fields: {
    ...chatFields,
    by: oneOf(['pairs', 'ranking'])
      .default('pairs')
      .describe(
        'How pictures are compared. `pairs`: the reward is the win rate over all pairs, each asked in both orders, so n pictures cost n (n - 1) requests. `ranking`: one request shows all pictures, and the reward falls from 1 for the best to 0 for the worst.',
      ),
    criterion: text('a criterion')
      .default('shows "{prompt}" better')
      .describe(
        'What makes a picture better; it follows "Which picture", and {prompt} is replaced by the prompt.',
      ),
  },
  sideBySide: 'the endpoint must answer requestsAtOnce requests for each',
  create: async (settings, context) =>
    createJudge(settings, createChatService(settings, context, { wantsLogprobs: false })),
});
