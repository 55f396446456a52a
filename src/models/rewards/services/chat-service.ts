/** @file A vision-language model behind an endpoint of OpenAI's form (vLLM, SGLang, llama.cpp, Ollama): questions about pictures. */

import * as z from 'zod';
import { at } from '../../../at.js';
import { integer, text } from '../../../fields.js';
import { encodePng, toRgb8 } from '../../images/picture.js';
import type { RewardContext } from '../contract/reward-source.js';
import {
  answerFault,
  askJson,
  type JsonService,
  quoteOf,
  type ReadAnswer,
  requireSendable,
  serviceUrlField,
} from './json-service.js';
import { inWords, type Quote } from './value-in-words.js';

const TOKEN_VARIABLE = 'TRIBUTARY_VLM_TOKEN';
/** The most alternatives of the first token that servers commonly return. */
const TOP_LOGPROBS = 20;

export const chatFields = {
  url: serviceUrlField(
    `Address of the endpoint up to and with its version, such as http://127.0.0.1:8000/v1. A token comes from the environment variable ${TOKEN_VARIABLE} alone.`,
  ),
  model: text('the name of a model').describe('Name of the model at the endpoint.'),
  maxTokens: integer(1, 4096).default(64).describe('Maximum number of tokens in an answer.'),
  timeoutMs: integer(1, 300_000)
    .default(60_000)
    .describe('Milliseconds that one request may take, answer included, before it is tried again.'),
  requestsAtOnce: integer(1, 256)
    .default(8)
    .describe('Concurrent requests for one group; each asks one question.'),
};

type ChatSettings = Readonly<Omit<z.output<z.ZodObject<typeof chatFields>>, 'requestsAtOnce'>>;

export interface ChatAnswer {
  readonly text: string;
  /** The likeliest first tokens, and the natural logarithms of their probabilities; null if the endpoint gives none. */
  readonly firstToken: readonly Readonly<z.output<typeof chance>>[] | null;
}

export interface ChatService {
  /** Asks about pictures, each [3, H, W] in [-1, 1]. Temperature 0: the same request gets the same answer. */
  ask(question: string, images: readonly Float32Array[], signal: AbortSignal): Promise<ChatAnswer>;
  /** Returns the fault of an answer that cannot be used. */
  fault(expected: string, got: string): Error;
  /** Quotes an answer for a message. */
  readonly quote: Quote;
}

const chance = z.object(
  {
    token: z.string(),
    // Rounding may carry a certainty past 0.
    logprob: z.number().max(0.001, { error: 'a logprob of at most 0' }),
  },
  { error: 'a token with its logprob' },
);

/** A list of which only the first items are checked: an untrusted one may hold millions, each a fault of its own. */
const firstOf = <Item extends z.ZodType>(item: Item, most: number, what: string) =>
  z
    .array(z.unknown(), { error: what })
    .transform((items) => items.slice(0, most))
    .pipe(z.array(item));

const choice = z.object(
  {
    message: z.object({ content: z.string({ error: 'text' }) }, { error: 'a mapping with `content`' }),
    logprobs: z
      .object({
        content: firstOf(
          z.object({ top_logprobs: firstOf(chance, TOP_LOGPROBS, 'a list of tokens') }),
          1,
          'a list of tokens',
        ).nullish(),
      })
      .nullish(),
  },
  { error: 'a mapping with `message`' },
);

const answerSchema = z.object(
  {
    choices: firstOf(choice, 1, 'a list of choices').refine((choices) => choices.length > 0, {
      error: 'at least one choice',
    }),
  },
  { error: 'a mapping with `choices`' },
);

/**
 * Returns a client of the endpoint. Requests are retried as in json-service.ts. `wantsLogprobs` asks for the chances of the
 * first token.
 *
 * Errors: TRIB_USAGE if the token cannot be sent.
 */
export function createChatService(
  { url, model, maxTokens, timeoutMs }: ChatSettings,
  { imageShape, environment }: Pick<RewardContext, 'imageShape' | 'environment'>,
  { wantsLogprobs, wait }: { readonly wantsLogprobs: boolean; readonly wait?: JsonService['wait'] },
): ChatService {
  const service: JsonService = {
    url: completionsUrl(url),
    timeoutMs,
    token: environment[TOKEN_VARIABLE] || undefined,
    tokenVariable: TOKEN_VARIABLE,
    wait,
  };
  requireSendable(service);
  return {
    ask(question, images, signal) {
      const pictures = images.map((image) => {
        const png = encodePng(toRgb8(image, imageShape[1], imageShape[2]));
        const url = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
        return { type: 'image_url', image_url: { url } };
      });
      const body = JSON.stringify({
        model,
        max_tokens: maxTokens,
        temperature: 0,
        ...(wantsLogprobs ? { logprobs: true, top_logprobs: TOP_LOGPROBS } : {}),
        messages: [
          {
            role: 'user',
            content: [...pictures, { type: 'text', text: question }],
          },
        ],
      });
      return askJson(service, body, readAnswer, signal);
    },
    fault: (expected, got) => answerFault(service, { expected, got }),
    quote: quoteOf(service),
  };
}

/** Keeps the query, where some services have their version. */
function completionsUrl(base: string): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/chat/completions`;
  return url.href;
}

const readAnswer: ReadAnswer<ChatAnswer> = (body, quote) => {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { expected: 'JSON', got: quote(body) };
  }
  const parsed = answerSchema.safeParse(value);
  if (!parsed.success) {
    const { path, message } = at(parsed.error.issues, 0);
    const place = path.length > 0 ? ` at ${path.map(String).join('.')}` : '';
    const found = path.reduce<unknown>(
      (inner, key) => (inner as Readonly<Record<PropertyKey, unknown>> | null)?.[key],
      value,
    );
    return { expected: `${message}${place}`, got: `${inWords(found, quote)} in ${quote(body)}` };
  }
  const { message, logprobs } = at(parsed.data.choices, 0);
  return { answer: { text: message.content, firstToken: logprobs?.content?.[0]?.top_logprobs ?? null } };
};

/** Returns the template with {prompt} replaced by the prompt. */
export function fillTemplate(template: string, prompt: string): string {
  return template.split('{prompt}').join(prompt);
}
