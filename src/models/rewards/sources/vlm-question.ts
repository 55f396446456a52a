/** @file Rewards from the answers of a vision-language model to questions about a picture. */

import * as z from 'zod';
import { oneOf, section, text } from '../../../fields.js';
import { sideBySide } from '../../threads/side-by-side.js';
import type { RewardScorer } from '../contract/reward-scorer.js';
import { defineRewardSource } from '../contract/reward-source.js';
import {
  type ChatAnswer,
  type ChatService,
  chatFields,
  createChatService,
  fillTemplate,
} from '../services/chat-service.js';

interface Question {
  readonly ask: string;
  readonly expect: string;
}

export interface Interrogation {
  readonly questions: readonly Question[];
  readonly judge: 'contains' | 'probability';
  readonly requestsAtOnce: number;
}

/**
 * Returns a scorer that asks every question about every picture: r = mean over questions of
 *
 *   contains      1 where the answer contains what is expected, in any letter case, else 0
 *                 (ddpo-pytorch, llava_strict_satisfaction, which minds letter case and sends JPEG of quality 80)
 *   probability   P(first token is what is expected | picture, question), letter case and blanks aside
 *                 (VQAScore, Lin et al. 2024, with the expected answer "Yes")
 */
export function createInterrogation(
  { questions, judge, requestsAtOnce }: Interrogation,
  chat: ChatService,
): RewardScorer {
  const credit = (answer: ChatAnswer, expected: string) =>
    judge === 'contains'
      ? Number(plain(answer.text).includes(expected))
      : probability(answer, expected, chat);
  return {
    runsOn: null,
    async score({ prompt, images }, signal) {
      const asked = images.flatMap((image) => questions.map((question) => ({ image, question })));
      const work = async (
        { image, question: { ask, expect } }: (typeof asked)[number],
        either: AbortSignal,
      ) => {
        const answer = await chat.ask(fillTemplate(ask, prompt), [image], either);
        return credit(answer, plain(fillTemplate(expect, prompt)));
      };
      const credits = await sideBySide(asked, requestsAtOnce, work, signal);
      const rewards = images.map((_, index) => {
        const own = credits.slice(index * questions.length, (index + 1) * questions.length);
        return own.reduce((sum, value) => sum + value, 0) / questions.length;
      });
      return { rewards, features: null };
    },
    close: async () => {},
  };
}

const plain = (words: string) => words.trim().toLowerCase();

function probability({ firstToken }: ChatAnswer, expected: string, chat: ChatService): number {
  if (firstToken === null) throw chat.fault('logprobs of the first token', 'none');
  return firstToken
    .filter(({ token }) => plain(token) === expected)
    .reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
}

const question = section({
  ask: text('a question').describe('The question; {prompt} is replaced by the prompt.'),
  expect: text('an answer')
    .default('yes')
    .describe('The answer that earns credit; {prompt} is replaced by the prompt.'),
});

export const vlmQuestion = defineRewardSource({
  name: 'vlm-question',
  summary:
    'Answers of a vision-language model to questions about a picture, over an OpenAI-compatible endpoint.',
  fields: {
    ...chatFields,
    questions: z
      .array(question, { error: 'a list of questions' })
      .min(1, { error: 'a list of at least one question' })
      .default([{ ask: 'Does this figure show "{prompt}"? Please answer yes or no.', expect: 'yes' }])
      .describe('What is asked about every picture; the reward is the mean over the questions.'),
    judge: oneOf(['contains', 'probability'])
      .default('contains')
      .describe(
        "How an answer is scored. `contains`: 1 if it contains the expected answer, ignoring case (DDPO's strict satisfaction). `probability`: the probability that its first token is the expected answer (VQAScore); the endpoint must return logprobs.",
      ),
  },
  sideBySide: 'the endpoint must answer requestsAtOnce requests for each',
  create: async (settings, context) => {
    const wantsLogprobs = settings.judge === 'probability';
    return createInterrogation(settings, createChatService(settings, context, { wantsLogprobs }));
  },
});
