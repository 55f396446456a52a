/** @file Requests to the server that the page came from. */

import { signal } from '@preact/signals';

const TOKEN = 'tributary-token';

/** Whether the server wants a token that this page does not have. */
export const isLocked = signal(false);

/** What the server answered instead of what was asked for: a problem document (RFC 9457). */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  /** Seconds; null where the server named none. */
  readonly retryAfter: number | null;

  constructor(status: number, code: string, detail: string, retryAfter: number | null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: object;
  readonly signal?: AbortSignal;
  /** Finish it even if the page is closed. */
  readonly keepalive?: boolean;
}

/** Sends a request and returns the JSON of the answer. Errors: a Problem; a TypeError where the server is out of reach. */
export async function request<Answer>(path: string, options: RequestOptions = {}): Promise<Answer> {
  const { method = options.body ? 'POST' : 'GET', body, signal: aborted, keepalive = false } = options;
  const token = sessionStorage.getItem(TOKEN);
  const response = await fetch(path, {
    method,
    keepalive,
    headers: {
      accept: 'application/json',
      ...(body && { 'content-type': 'application/json' }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
    ...(aborted && { signal: aborted }),
  });
  if (response.ok) return (response.status === 204 ? null : await response.json()) as Answer;
  if (response.status === 401) isLocked.value = true;
  throw await problemOf(response);
}

async function problemOf(response: Response): Promise<Problem> {
  const document: { code?: string; detail?: string; title?: string } = await response
    .json()
    .catch(() => ({}));
  const said = document.detail ?? document.title ?? `The server answered ${response.status}.`;
  const after = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new Problem(response.status, document.code ?? '', said, Number.isFinite(after) ? after : null);
}

/** Keeps a token for this tab; a cookie carries it where a browser sends no header: pictures and events. */
export async function unlock(token: string): Promise<void> {
  sessionStorage.setItem(TOKEN, token);
  try {
    await request('v1/session', { method: 'POST' });
  } catch (error) {
    sessionStorage.removeItem(TOKEN);
    throw error;
  }
  location.reload();
}

/** What went wrong, in words for the page. */
export function wordsOf(error: unknown): string {
  if (error instanceof Problem) return error.message;
  if (error instanceof TypeError) return 'The server cannot be reached.';
  return error instanceof Error ? error.message : String(error);
}
