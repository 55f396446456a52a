/** @file Files of ours as a model repository on the hub. */

import { TributaryError } from '../../errors.js';
import { hubAddress, requireId, sendableToken } from './hub-client.js';
import { connectionFault, stoppedFault } from './hub-faults.js';

interface PushOptions {
  /** `owner/name`; made if it is not there, private unless `isPublic`. An existing one keeps its visibility. */
  readonly id: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly isPublic: boolean;
  /** Title of the commit. */
  readonly title: string;
  readonly hubUrl: string;
  /** One that may write. Sent only to the hub, and never shown. */
  readonly token: string | null;
  readonly signal: AbortSignal;
}

/**
 * Puts files into a repository, in one commit: all of them, or none. Large files that an earlier try has brought to the hub's
 * store are not sent again.
 *
 * Errors: TRIB_DOWNLOAD if the hub cannot be reached or refuses; TRIB_USAGE without a token, or for a name that is none;
 * TRIB_CANCELLED once `signal` is aborted.
 */
export async function pushFiles(options: PushOptions): Promise<void> {
  const { id, files, isPublic, title, signal } = options;
  requireId(id);
  const hubUrl = options.hubUrl.replace(/\/+$/, '');
  const { host } = hubAddress(hubUrl);
  const accessToken = sendableToken(options.token);
  if (!accessToken?.startsWith('hf_')) {
    const got = accessToken ? 'one that does not begin so' : 'none';
    throw new TributaryError(
      'TRIB_USAGE',
      `HF_TOKEN: expected a token hf_... that may write, got ${got}. Make one on ${hubUrl}/settings/tokens.`,
    );
  }
  const request = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const response = await fetch(input, { ...init, signal }).catch((cause: unknown) => {
      throw signal.aborted ? stoppedFault(id) : connectionFault(id, host, cause);
    });
    if (response.ok || response.status === EXISTS) return response;
    await response.body?.cancel();
    throw refusal(id, hubUrl, response.status);
  };
  // Loaded here, because only one command needs it.
  const { commit, createRepo, HubApiError } = await import('@huggingface/hub');
  const place = { repo: id, hubUrl, accessToken, fetch: request };
  const isThere = (error: unknown) => error instanceof HubApiError && error.statusCode === EXISTS;
  try {
    await createRepo({ ...place, visibility: isPublic ? 'public' : 'private' }).catch((error: unknown) => {
      if (!isThere(error)) throw error;
    });
    const operations = Object.entries(files).map(([path, bytes]) => ({
      ...{ operation: 'addOrUpdate' as const, path },
      content: new Blob([Uint8Array.from(bytes)]),
    }));
    await commit({ ...place, operations, title, useXet: false, abortSignal: signal });
  } catch (cause) {
    if (cause instanceof TributaryError) throw cause;
    if (signal.aborted) throw stoppedFault(id);
    const text = `${id}: expected ${host} to take the files, got "${(cause as Error).message}". ${AGAIN}`;
    throw new TributaryError('TRIB_DOWNLOAD', text, { cause });
  }
}

/** The status for a repository that is there already. */
const EXISTS = 409;
const AGAIN = 'Run the same command again: large files that arrived are not sent again.';

function refusal(id: string, hubUrl: string, status: number): TributaryError {
  const isDenied = status === 401 || status === 403;
  const expected = isDenied ? 'a token that may write there' : `${hubUrl} to take the files`;
  const nextStep = isDenied
    ? `Check the name of the owner; make a token of the kind "write" on ${hubUrl}/settings/tokens, and set HF_TOKEN.`
    : AGAIN;
  const text = `${id}: expected ${expected}, got status ${status}. ${nextStep}`;
  return new TributaryError('TRIB_DOWNLOAD', text, { retryable: status >= 500 });
}
