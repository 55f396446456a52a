import { setTimeout as wait } from 'node:timers/promises';
import { AwsV4Signer } from 'aws4fetch';
import { TributaryError } from '../../../errors.js';
import type { Claim, PayloadStore } from './payload-store.js';
import { claimedBytes, claimFault, hashOf, missingFault, requireHash, requireSize } from './payload-store.js';

interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

interface S3PayloadStoreOptions {
  /** `https://host[:port]`; the bucket is the first part of the path. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly keyPrefix: string;
  readonly credentials: S3Credentials;
  readonly patience?: S3Patience;
}

interface S3Patience {
  readonly attempts: number;
  /** Pause after the first attempt; it doubles each time. */
  readonly pauseMs: number;
  /** Limit of one attempt, plus a second for each MiB. */
  readonly timeoutMs: number;
}

const PATIENCE: S3Patience = { attempts: 4, pauseMs: 250, timeoutMs: 15_000 };

/**
 * Creates a store in a bucket of S3 or a compatible service. A payload lies at
 * `<keyPrefix>/<first two digits>/<hash>`; one that exists with the right size is not sent again.
 *
 * Time: errors that may pass (no connection, a timeout, 429 and 5xx) are retried, with four attempts in all.
 *
 * Memory: the payload; a body is not read beyond the claimed size.
 *
 * Errors: as in `PayloadStore`, and TRIB_TRANSPORT if the service refuses or does not answer, `retryable` for the latter.
 * They reveal no more of the credentials than the names of their variables.
 */
export function createS3PayloadStore(options: S3PayloadStoreOptions): PayloadStore {
  const { endpoint, bucket, keyPrefix } = options;
  const keyOf = (sha256: string) => `${keyPrefix}/${sha256.slice(0, 2)}/${sha256}`;
  const placeOf = (sha256: string) => `s3://${bucket}/${keyOf(sha256)}`;
  const urlOf = (sha256: string) => `${endpoint}/${bucket}/${keyOf(sha256)}`;
  const send = <Result>(call: Call, take: (response: Response) => Promise<Result>) =>
    withPatience(options.patience ?? PATIENCE, call, options, take);

  return {
    async put(bytes) {
      const claim = { uri: '', size: bytes.length, sha256: hashOf(bytes) };
      const uri = placeOf(claim.sha256);
      const call = { url: urlOf(claim.sha256), place: uri, size: bytes.length };
      const isThere = await send({ ...call, method: 'HEAD' }, async ({ status, headers }) => {
        if (status === 200) return headers.get('content-length') === String(bytes.length);
        // Without the right to list the bucket, S3 answers 403 for a missing object; PUT will tell.
        if (status === 404 || status === 403) return false;
        throw refusedFault(uri, `${status}`);
      });
      if (!isThere)
        await send({ ...call, method: 'PUT', body: bytes, sha256: claim.sha256 }, async (response) => {
          if (response.status !== 200) throw refusedFault(uri, await reasonOf(response));
          await response.body?.cancel();
        });
      return { ...claim, uri };
    },

    async get(claim) {
      requireHash(claim);
      const place = placeOf(claim.sha256);
      const call = { url: urlOf(claim.sha256), place, size: claim.size, method: 'GET' } as const;
      return send(call, async (response) => {
        if (response.status === 200) return claimedBytes(claim, await bodyOf(response, claim, place), place);
        const reason = await reasonOf(response);
        throw response.status === 404 && !reason.includes('NoSuchBucket')
          ? missingFault(`the object ${place}`)
          : refusedFault(place, reason);
      });
    },
  };
}

interface Call {
  readonly url: string;
  readonly place: string;
  /** In bytes, of the body that is sent or expected. */
  readonly size: number;
  readonly method: 'HEAD' | 'GET' | 'PUT';
  readonly body?: Uint8Array;
  /** Of the body. */
  readonly sha256?: string;
}

async function withPatience<Result>(
  { attempts, pauseMs, timeoutMs }: S3Patience,
  call: Call,
  { region, credentials }: S3PayloadStoreOptions,
  take: (response: Response) => Promise<Result>,
): Promise<Result> {
  const limitMs = timeoutMs + Math.ceil((1000 * call.size) / 2 ** 20);
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await request(call, region, credentials, AbortSignal.timeout(limitMs));
      if (!mayPass(response.status)) return await take(response);
      throw silentFault(call, attempt, await reasonOf(response));
    } catch (error) {
      // Errors of fetch itself: no connection, a body that breaks off, a timeout.
      const fault = error instanceof TributaryError ? error : silentFault(call, attempt, causeOf(error));
      if (attempt === attempts || fault.code !== 'TRIB_TRANSPORT' || !fault.retryable) throw fault;
      await wait(pauseMs * 2 ** (attempt - 1));
    }
  }
}

async function request(
  { url, method, body, sha256 }: Call,
  region: string,
  credentials: S3Credentials,
  signal: AbortSignal,
): Promise<Response> {
  const headers = sha256 === undefined ? {} : { 'x-amz-content-sha256': sha256 };
  const signer = new AwsV4Signer({ method, url, headers, service: 's3', region, ...credentials });
  const signed = await signer.sign();
  // A redirect would send the signature to another server.
  const init = { method, headers: signed.headers, signal, redirect: 'manual' as const };
  return fetch(signed.url, body === undefined ? init : { ...init, body });
}

const mayPass = (status: number) => status === 408 || status === 429 || status >= 500;

/** Reads no more than was claimed. */
async function bodyOf(response: Response, claim: Claim, place: string): Promise<Uint8Array> {
  const announced = response.headers.get('content-length');
  if (announced !== null && Number(announced) !== claim.size) {
    await response.body?.cancel();
    requireSize(claim, Number(announced), place);
  }
  const bytes = new Uint8Array(claim.size);
  let length = 0;
  for await (const chunk of response.body ?? []) {
    // Leaving the loop cancels the body.
    if (length + chunk.length > claim.size)
      throw claimFault(`expected ${claim.size} bytes in ${place}`, 'more');
    bytes.set(chunk, length);
    length += chunk.length;
  }
  return bytes.subarray(0, length);
}

/** The status and the service's error code; the rest of its answer may repeat what was signed. */
async function reasonOf(response: Response): Promise<string> {
  const bytes = await bodyStart(response, 4096).catch(() => '');
  const [, word] = /<Code>(\w{1,64})<\/Code>/.exec(bytes) ?? [];
  return word === undefined ? `${response.status}` : `${response.status} ${word}`;
}

async function bodyStart(response: Response, limit: number): Promise<string> {
  let start = '';
  for await (const chunk of response.body ?? []) {
    start += Buffer.from(chunk).toString('latin1');
    if (start.length >= limit) break;
  }
  return start.slice(0, limit);
}

function causeOf(error: unknown): string {
  const { name, message, cause } = error as Error;
  if (name === 'TimeoutError') return 'no answer in time';
  return cause instanceof Error ? `${(cause as NodeJS.ErrnoException).code ?? cause.message}` : message;
}

function silentFault({ place, method }: Call, attempt: number, got: string): TributaryError {
  return new TributaryError(
    'TRIB_TRANSPORT',
    `payload ${place}: expected ${method} to succeed, got ${got} at attempt ${attempt}. Check transport.kafka.payloads.endpoint, and that the service is up.`,
    { retryable: true },
  );
}

function refusedFault(place: string, got: string): TributaryError {
  return new TributaryError(
    'TRIB_TRANSPORT',
    `payload ${place}: expected permission from the service, got ${got}. Check endpoint, region and bucket of transport.kafka.payloads, and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.`,
  );
}
