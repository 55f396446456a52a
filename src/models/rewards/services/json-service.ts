/**
 * @file Requests to a service that answers over HTTP with JSON. Its answers are not trusted: they are bounded, checked by
 * the caller, and quoted without secrets.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { TributaryError } from '../../../errors.js';
import type { AnswerFault } from './scored-answer.js';
import type { Quote } from './value-in-words.js';

const URL_PHRASE = 'an http or https URL without user, password or fragment';

/** A password would end up in every copy of the config. */
function isServiceUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '' && hash === '';
}

export const serviceUrlField = (description: string) =>
  z.string({ error: URL_PHRASE }).refine(isServiceUrl, { error: URL_PHRASE }).describe(description);

export interface JsonService {
  readonly url: string;
  /** Milliseconds that one request may take, answer included. */
  readonly timeoutMs: number;
  /** Sent as bearer token. */
  readonly token?: string | undefined;
  /** Environment variable of the token, for messages. */
  readonly tokenVariable: string;
  /** Waits between attempts. Default: a timer. */
  readonly wait?: ((milliseconds: number, signal: AbortSignal) => Promise<unknown>) | undefined;
}

/** Reads the text of an answer, or says what is wrong with it. */
export type ReadAnswer<Answer> = (text: string, quote: Quote) => { readonly answer: Answer } | AnswerFault;

/** Attempts at one request, and milliseconds before the second; each further wait doubles. */
const ATTEMPTS = 5;
const FIRST_WAIT_MS = 500;
/** Longest wait that a service may ask for with Retry-After. */
const MAX_WAIT_MS = 30_000;
/** Longest answer that is read: embeddings of a thousand pictures fit. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;
/** Longest error answer that is read: it is only quoted. */
const MAX_ERROR_BYTES = 4096;
/** Characters of an answer that a message quotes. */
const QUOTED = 120;
const CORRECT_THE_SERVICE = 'Correct the service, see docs/rewards.md.';

/** Statuses below 500 after which another attempt may succeed. */
const PASSING_STATUSES = [408, 425, 429];
/** Network faults after which another attempt may succeed. */
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

interface Reply {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
  readonly isWhole: boolean;
}

interface Failure {
  readonly expected: string;
  readonly got: string;
  readonly nextStep: string;
  readonly mayPass: boolean;
  /** Milliseconds that the service asks to wait. */
  readonly retryAfterMs?: number | undefined;
}

/** Errors: TRIB_USAGE for a token that no header can hold; `fetch` would print it. */
export function requireSendable({ token, tokenVariable }: JsonService): void {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return;
  throw new TributaryError(
    'TRIB_USAGE',
    `${tokenVariable}: expected printable ASCII without spaces, got something else. Set it again, without a line break.`,
  );
}

/**
 * Posts one request until it is answered or fails for good. A fault that may pass is retried, five attempts in all, after
 * 0.5, 1, 2 and 4 seconds, or longer if the service asks for it.
 *
 * Errors: TRIB_REWARD if the service does not answer as agreed, `retryable` if that may pass; TRIB_CANCELLED.
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

/** Returns what quotes the answers of a service in messages: one short line, without its token. */
export function quoteOf({ token }: JsonService): Quote {
  return (text) => excerpt(text, token);
}

/** Returns the fault of a service whose answers contradict each other or the request. */
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
  const quote = quoteOf(service);
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
      // The pictures go to this address alone.
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
  return 'Read the log of the service.';
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
    const nextStep = 'Check whether the service hangs, raise timeoutMs or lower batchSize.';
    return { expected, got: timeout, nextStep, mayPass: true };
  }
  const code = codeOf(error);
  return {
    expected,
    // The runtime's own text may quote the request.
    got: code ?? 'a request that cannot be sent',
    // A code of zlib: the compression of the answer is damaged.
    nextStep: code?.startsWith('Z_')
      ? 'Read the log of the service.'
      : 'Start the service, or correct the url of the reward stage.',
    mayPass: code !== undefined && PASSING_FAULTS.includes(code),
  };
}

/** Returns the code of the innermost cause of what `fetch` throws. */
function codeOf(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { readonly code?: unknown; readonly cause?: unknown };
  if (typeof code === 'string') return code;
  return cause === undefined ? undefined : codeOf(cause);
}

/** Reads a body up to a bound, and drops the connection if there is more. */
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

/** Quotes untrusted text for a message: one short line, without the token that it may echo. */
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
    `reward service ${nameOf(url)}: expected an answer, got a cancellation. Start the run again if it is still wanted.`,
  );
}

/** The URL without parts that may be secret. */
function nameOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
