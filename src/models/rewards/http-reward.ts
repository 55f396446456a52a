/**
 * @file Rewards from a service that answers over HTTP; docs/rewards.md says what it is sent and what it answers. Whatever it
 * answers is not trusted: it is bounded, checked, and quoted without secrets.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { TributaryError } from '../../errors.js';
import { encodePng, toRgb8 } from '../images/png.js';
import { toUnitLength } from './features.js';
import { type ResponseFault, type RewardResponse, readRewardResponse } from './reward-response.js';
import type { RewardScorer } from './reward-scorer.js';

export interface HttpRewardSettings {
  readonly url: string;
  /** Milliseconds that one request may take, answer included. */
  readonly timeoutMs: number;
  /** Pictures in one request at most. */
  readonly batchSize: number;
  readonly imageShape: readonly [number, number, number];
  /** Sent as bearer token. */
  readonly token?: string | undefined;
  /** Waits between attempts. Default: a timer. */
  readonly wait?: ((milliseconds: number, signal: AbortSignal) => Promise<unknown>) | undefined;
}

/** Attempts at one request, and milliseconds before the second one; each further wait is twice as long. */
const ATTEMPTS = 5;
const FIRST_WAIT_MS = 500;
/** Longest wait that a service may ask for with Retry-After. */
const MAX_WAIT_MS = 30_000;
/** Longest answer that is read: room for embeddings of a thousand pictures. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
/** An answer that says what is wrong is quoted, not kept. */
const MAX_ERROR_BYTES = 4096;
/** Characters of an answer that a message quotes. */
const QUOTED = 120;
const CORRECT_THE_SERVICE = 'Correct the service, see docs/rewards.md.';

/** Statuses below 500 that say "not now" rather than "not so". */
const PASSING_STATUSES = [408, 425, 429];
/** Faults of the network that another attempt may not meet. */
const PASSING_FAULTS = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
];

/** What a service answered, right or wrong. */
interface Reply {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
  readonly isWhole: boolean;
}

/** What came of one attempt that failed. */
interface Failure {
  readonly expected: string;
  readonly got: string;
  readonly nextStep: string;
  readonly mayPass: boolean;
  /** Milliseconds that the service asks to be left alone. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * Returns a scorer that posts pictures as PNG, `batchSize` of one prompt at a time and in order. A fault that may pass is
 * tried again, five times in all, after 0.5, 1, 2 and 4 seconds, or longer where the service asks for it.
 *
 * **Errors**: TRIB_REWARD where the service does not answer as agreed, `retryable` where that may pass; TRIB_CANCELLED;
 * TRIB_USAGE where the token cannot be sent.
 */
export function createHttpReward(settings: HttpRewardSettings): RewardScorer {
  const { batchSize, imageShape, token } = settings;
  // A header would be refused with its value in the message.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new TributaryError(
      'TRIB_USAGE',
      'TRIBUTARY_REWARD_TOKEN: expected printable ASCII without spaces, got something else. Set it again, without a line break.',
    );
  }
  return {
    runsOn: null,
    async score({ prompt, images }, signal) {
      const responses: RewardResponse[] = [];
      for (let start = 0; start < images.length; start += batchSize) {
        const pngs = images
          .slice(start, start + batchSize)
          .map((image) => Buffer.from(encodePng(toRgb8(image, imageShape[1], imageShape[2]))));
        const body = JSON.stringify({
          version: 1,
          prompt,
          images: pngs.map((png) => png.toString('base64')),
        });
        responses.push(await ask(settings, body, pngs.length, signal));
      }
      return {
        rewards: responses.flatMap(({ rewards }) => rewards),
        features: featuresOf(settings, responses),
      };
    },
    close: async () => {},
  };
}

/** The embeddings of all pictures, where every answer has some. */
function featuresOf(
  settings: HttpRewardSettings,
  responses: readonly RewardResponse[],
): readonly Float32Array[] | null {
  const embeddings = responses.map((response) => response.embeddings);
  if (!embeddings.every((rows) => rows !== undefined)) return null;
  const rows = embeddings.flat();
  const lengths = [...new Set(rows.map(({ length }) => length))];
  if (lengths.length > 1) {
    const [expected, got] = ['embeddings of one length', `lengths ${lengths.join(', ')}`];
    throw faultOf(settings, { expected, got, nextStep: CORRECT_THE_SERVICE, mayPass: false }, 1);
  }
  return rows.map((row) => toUnitLength(Float32Array.from(row)));
}

/** Posts one request until it is answered, for good or bad. */
async function ask(
  settings: HttpRewardSettings,
  body: string,
  count: number,
  signal: AbortSignal,
): Promise<RewardResponse> {
  const { wait = (milliseconds) => sleep(milliseconds, undefined, { signal }) } = settings;
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptOnce(settings, body, count, signal);
    if ('rewards' in outcome) return outcome;
    if (!outcome.mayPass || attempt === ATTEMPTS) throw faultOf(settings, outcome, attempt);
    const backoffMs = FIRST_WAIT_MS * 2 ** (attempt - 1);
    await wait(Math.min(MAX_WAIT_MS, Math.max(backoffMs, outcome.retryAfterMs ?? 0)), signal).catch(
      (error: unknown) => {
        throw signal.aborted ? cancelled(settings) : error;
      },
    );
  }
}

async function attemptOnce(
  settings: HttpRewardSettings,
  body: string,
  count: number,
  signal: AbortSignal,
): Promise<RewardResponse | Failure> {
  const reply = await post(settings, body, signal);
  if ('mayPass' in reply) return reply;
  const { status, text, isWhole } = reply;
  const quote = (quoted: string) => excerpt(quoted, settings.token);
  if (status !== 200) {
    return {
      expected: 'status 200',
      got: `${status}, ${quote(text)}`,
      nextStep: nextStepFor(status),
      mayPass: status >= 500 || PASSING_STATUSES.includes(status),
      retryAfterMs: retryAfterMs(reply.retryAfter),
    };
  }
  const answer: RewardResponse | ResponseFault = isWhole
    ? readRewardResponse(text, count, quote)
    : { expected: `an answer of at most ${MAX_RESPONSE_BYTES} bytes`, got: 'more' };
  return 'rewards' in answer ? answer : { ...answer, nextStep: CORRECT_THE_SERVICE, mayPass: false };
}

/** Sends a request and reads what comes back. */
async function post(
  settings: HttpRewardSettings,
  body: string,
  signal: AbortSignal,
): Promise<Reply | Failure> {
  const { url, timeoutMs, token } = settings;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body,
      // Nobody else shall get the pictures.
      redirect: 'manual',
      signal: AbortSignal.any([signal, timeout]),
    });
    const { status, headers } = response;
    const read = await readText(response, status === 200 ? MAX_RESPONSE_BYTES : MAX_ERROR_BYTES);
    return { status, retryAfter: headers.get('retry-after'), ...read };
  } catch (error) {
    if (signal.aborted) throw cancelled(settings);
    return unanswered(error, timeout.aborted ? `none in ${timeoutMs} ms` : undefined);
  }
}

function nextStepFor(status: number): string {
  if (status >= 300 && status < 400) return 'Set url to where it redirects.';
  if (status === 401 || status === 403) return 'Set TRIBUTARY_REWARD_TOKEN to a token that it knows.';
  if (status === 404 || status === 405) return 'Correct the url of scoreRewards.';
  return 'Look at what the service logs.';
}

/** Seconds, or a date; undefined where there is neither. */
function retryAfterMs(value: string | null): number | undefined {
  if (value === null) return undefined;
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? milliseconds : undefined;
}

function unanswered(error: unknown, timeout: string | undefined): Failure {
  const expected = 'an answer';
  if (timeout !== undefined) {
    const nextStep = 'Look whether the service hangs, raise timeoutMs or lower batchSize.';
    return { expected, got: timeout, nextStep, mayPass: true };
  }
  const code = codeOf(error);
  return {
    expected,
    // Without a code it is a sentence of the runtime's, which may quote the request.
    got: code ?? 'a request that cannot be sent',
    nextStep: 'Start the service, or correct the url of scoreRewards.',
    mayPass: code !== undefined && PASSING_FAULTS.includes(code),
  };
}

/** The code of the fault at the bottom of what `fetch` throws. */
function codeOf(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { readonly code?: unknown; readonly cause?: unknown };
  if (typeof code === 'string') return code;
  return cause === undefined ? undefined : codeOf(cause);
}

/** Reads a body up to a bound, and drops the connection where there is more. */
async function readText(
  { body }: Response,
  maxBytes: number,
): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > maxBytes) break;
  }
  const text = Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
  return { text, isWhole: size <= maxBytes };
}

/** Text of a stranger for a message: on one line, not much of it, and without the token that it may send back. */
function excerpt(text: string, token: string | undefined): string {
  const safe = token === undefined ? text : text.replaceAll(token, '…');
  const line = safe
    .slice(0, 2 * QUOTED)
    .replace(/\s+/g, ' ')
    .trim();
  if (line === '') return 'nothing';
  return `"${line.length > QUOTED ? `${line.slice(0, QUOTED)}…` : line}"`;
}

function faultOf({ url }: HttpRewardSettings, failure: Failure, attempts: number): TributaryError {
  const { expected, got, nextStep, mayPass } = failure;
  const tries = mayPass ? ` in ${attempts} attempts` : '';
  const message = `reward service ${nameOf(url)}: expected ${expected}, got ${got}${tries}. ${nextStep}`;
  return new TributaryError('TRIB_REWARD', message, { retryable: mayPass });
}

function cancelled({ url }: HttpRewardSettings): TributaryError {
  return new TributaryError(
    'TRIB_CANCELLED',
    `reward service ${nameOf(url)}: expected to answer, got cancelled. Start the run again if it is still wanted.`,
  );
}

/** The URL without what may be secret in it. */
function nameOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
