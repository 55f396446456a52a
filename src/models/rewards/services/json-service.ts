/**
 * @file Requests to a service that answers over HTTP with JSON. Whatever it answers is not trusted: it is bounded, checked by the
 * caller, and quoted without secrets.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { TributaryError } from '../../../errors.js';
import type { AnswerFault } from './scored-answer.js';
import type { Quote } from './value-in-words.js';

export interface JsonService {
  readonly url: string;
  /** Milliseconds that one request may take, answer included. */
  readonly timeoutMs: number;
  /** Sent as bearer token. */
  readonly token?: string | undefined;
  /** Environment variable that the token comes from, for messages. */
  readonly tokenVariable: string;
  /** Waits between attempts. Default: a timer. */
  readonly wait?: ((milliseconds: number, signal: AbortSignal) => Promise<unknown>) | undefined;
}

/** Reads the text of an answer, or says what is wrong with it. */
export type ReadAnswer<Answer> = (text: string, quote: Quote) => { readonly answer: Answer } | AnswerFault;

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
 * Refuses a token that cannot stand in a header, which would be refused with its value in the message.
 * @throws TRIB_USAGE
 */
export function requireSendable({
  token,
  tokenVariable,
}: Pick<JsonService, 'token' | 'tokenVariable'>): void {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return;
  throw new TributaryError(
    'TRIB_USAGE',
    `${tokenVariable}: expected printable ASCII without spaces, got something else. Set it again, without a line break.`,
  );
}

/**
 * Posts one request until it is answered, for good or bad. A fault that may pass is tried again, five times in all, after
 * 0.5, 1, 2 and 4 seconds, or longer where the service asks for it.
 *
 * **Errors**: TRIB_REWARD where the service does not answer as agreed, `retryable` where that may pass; TRIB_CANCELLED.
 */
export async function askJson<Answer>(
  service: JsonService,
  body: string,
  read: ReadAnswer<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  const { wait = (milliseconds) => sleep(milliseconds, undefined, { signal }) } = service;
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptOnce(service, body, read, signal);
    if ('answer' in outcome) return outcome.answer;
    if (!outcome.mayPass || attempt === ATTEMPTS) throw faultOf(service, outcome, attempt);
    const backoffMs = FIRST_WAIT_MS * 2 ** (attempt - 1);
    await wait(Math.min(MAX_WAIT_MS, Math.max(backoffMs, outcome.retryAfterMs ?? 0)), signal).catch(
      (error: unknown) => {
        throw signal.aborted ? canceled(service) : error;
      },
    );
  }
}

/** The fault of a service whose answers do not fit each other, or what they were asked. */
export function answerFault(service: JsonService, { expected, got }: AnswerFault): TributaryError {
  return faultOf(service, { expected, got, nextStep: CORRECT_THE_SERVICE, mayPass: false }, 1);
}

async function attemptOnce<Answer>(
  service: JsonService,
  body: string,
  read: ReadAnswer<Answer>,
  signal: AbortSignal,
): Promise<{ readonly answer: Answer } | Failure> {
  const reply = await post(service, body, signal);
  if ('mayPass' in reply) return reply;
  const { status, text, isWhole } = reply;
  const quote = (quoted: string) => excerpt(quoted, service.token);
  if (status !== 200) {
    return {
      expected: 'status 200',
      got: `${status}, ${quote(text)}`,
      nextStep: nextStepFor(status, service),
      mayPass: status >= 500 || PASSING_STATUSES.includes(status),
      retryAfterMs: retryAfterMs(reply.retryAfter),
    };
  }
  const outcome = isWhole
    ? read(text, quote)
    : { expected: `an answer of at most ${MAX_RESPONSE_BYTES} bytes`, got: 'more' };
  return 'answer' in outcome ? outcome : { ...outcome, nextStep: CORRECT_THE_SERVICE, mayPass: false };
}

/** Sends a request and reads what comes back. */
async function post(service: JsonService, body: string, signal: AbortSignal): Promise<Reply | Failure> {
  const { url, timeoutMs, token } = service;
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
    if (signal.aborted) throw canceled(service);
    return unanswered(error, timeout.aborted ? `none in ${timeoutMs} ms` : undefined);
  }
}

function nextStepFor(status: number, { tokenVariable }: JsonService): string {
  if (status >= 300 && status < 400) return 'Set url to where it redirects.';
  if (status === 401 || status === 403) return `Set ${tokenVariable} to a token that it knows.`;
  if (status === 404 || status === 405) return 'Correct the url of the reward stage.';
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
    // zlib says so of an answer whose compression is damaged.
    nextStep: code?.startsWith('Z_')
      ? 'Look at what the service logs.'
      : 'Start the service, or correct the url of the reward stage.',
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

function faultOf({ url }: JsonService, failure: Failure, attempts: number): TributaryError {
  const { expected, got, nextStep, mayPass } = failure;
  const tries = mayPass ? ` in ${attempts} attempts` : '';
  const message = `reward service ${nameOf(url)}: expected ${expected}, got ${got}${tries}. ${nextStep}`;
  return new TributaryError('TRIB_REWARD', message, { retryable: mayPass });
}

function canceled({ url }: JsonService): TributaryError {
  return new TributaryError(
    'TRIB_CANCELLED',
    `reward service ${nameOf(url)}: expected to answer, got canceled. Start the run again if it is still wanted.`,
  );
}

/** The URL without what may be secret in it. */
function nameOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
