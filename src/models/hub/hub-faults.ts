/** @file The faults of talking to the hub. No text contains a header: one of them holds the token. */

import { TributaryError } from '../../errors.js';

/** Where a request went, for messages. */
export interface HubPlace {
  /** `owner/name`. */
  readonly id: string;
  readonly revision: string;
  /** Address of the hub, without a trailing slash. */
  readonly hubUrl: string;
  readonly hasToken: boolean;
}

const fault = (text: string, context: { retryable?: boolean; cause?: unknown } = {}) =>
  new TributaryError('TRIB_DOWNLOAD', text, context);

const AGAIN = 'Run the same command again: it resumes where it stopped.';

/** The fault of an answer that is not a success; retryable if the hub may only be busy. */
export function answerFault(response: Response, place: HubPlace): TributaryError {
  const { status } = response;
  const { id, revision, hubUrl, hasToken } = place;
  const where = new URL(response.url);
  if (where.origin !== new URL(hubUrl).origin) {
    // The signed addresses of the stores behind the hub expire; asking the hub again gives a new one.
    const text = `${id}: expected a file from ${where.host}, got status ${status}. ${AGAIN}`;
    return fault(text, { retryable: true });
  }
  const reason = response.headers.get('x-error-code');
  const page = `${hubUrl}/${id}`;
  if (status === 401 && !hasToken) {
    const nextStep = `Check the name; if it has terms, accept them on ${page}; then set HF_TOKEN to a token of your account.`;
    const got = 'status 401: it is gated or private, or does not exist';
    return fault(`${id}: expected a public model, got ${got}. ${nextStep}`);
  }
  if (status === 401) {
    const nextStep = 'Check the name, and create a new token with read permission.';
    const got = 'status 401: the token is not valid, or there is no such model';
    return fault(`${id}: expected the hub to accept HF_TOKEN, got ${got}. ${nextStep}`);
  }
  if (status === 403) {
    const nextStep = `Ask for access on ${page}, and set HF_TOKEN to a token of that account that may read gated models.`;
    return fault(`${id}: expected access, got status 403: the model is gated. ${nextStep}`);
  }
  if (status === 404 && reason === 'RevisionNotFound') {
    const nextStep = 'Name a branch, a tag or a commit with --revision.';
    return fault(`${id}: expected a revision "${revision}", got none of that name. ${nextStep}`);
  }
  if (status === 404) {
    return fault(`${id}: expected a model at ${page}, got none (status 404). Check owner and name.`);
  }
  const retryable = status === 408 || status === 429 || status >= 500;
  const nextStep = retryable
    ? 'Wait a while, then run the same command again.'
    : 'Check --revision, and HF_ENDPOINT if it is set.';
  return fault(`${id}: expected ${where.host} to answer, got status ${status}. ${nextStep}`, { retryable });
}

/** The fault of a connection that could not be established, or broke. */
export function connectionFault(id: string, host: string, cause: unknown): TributaryError {
  const text = `${id}: expected to reach ${host}, got ${reasonOf(cause)}. Check the network. ${AGAIN}`;
  return fault(text, { retryable: true, cause });
}

/** The fault of an answer that is not the hub's: a captive portal, an incompatible mirror. */
export function strangeAnswerFault(id: string, host: string, got: string, cause?: unknown): TributaryError {
  const nextStep = 'Check HF_ENDPOINT, and that no proxy answers in its place.';
  return fault(`${id}: expected the hub's answer from ${host}, got ${got}. ${nextStep}`, { cause });
}

/** The fault of a download that the user stopped. */
export function stoppedFault(id: string): TributaryError {
  const text = `${id}: expected to fetch all of it, got a request to stop. ${AGAIN}`;
  return new TributaryError('TRIB_CANCELLED', text);
}

/** `fetch` only says that it failed; the system's code is in its cause. */
function reasonOf(cause: unknown): string {
  for (let error = cause; error instanceof Error; error = error.cause) {
    if ('code' in error && typeof error.code === 'string') return error.code;
  }
  return cause instanceof Error ? `"${cause.message}"` : String(cause);
}
