/** @file The endpoint that takes prompts over HTTP; docs/prompts.md describes its requests and answers. */

import { isUtf8 } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TributaryError } from '../../../errors.js';
import { hostFault, pathOf } from '../../../host-check.js';
import type { PromptInbox } from './prompt-inbox.js';
import { RequestFault, readPromptsRequest } from './read-prompts-request.js';

interface PromptsServerOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Names that requests may call the server by, besides those that `hostFault` takes. */
  readonly allowHosts?: readonly string[] | undefined;
  /** Bearer token that POST /prompts requires; undefined for none. */
  readonly token: string | undefined;
  /** The setting that the address is from, for messages. Default: that of a single source. */
  readonly setting?: string;
  readonly inbox: Pick<PromptInbox, 'accept' | 'maxWaiting' | 'faultOf'>;
}

interface PromptsServer {
  readonly url: string;
  /** Takes no more requests, and resolves when those in flight are answered. May be called twice. */
  close(): Promise<void>;
}

const HTTP_SETTING = 'stages.prompts.source.http';
const MOST_BODY_BYTES = 4 * 2 ** 20;
const RETRY_AFTER_SECONDS = 5;
/** A request whose body takes longer is dropped. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Requests that are not answered within this time of closing are cut off. */
const CLOSING_MS = 5000;

/** Starts the endpoint. Errors: TRIB_USAGE if the address cannot be used. */
export async function openPromptsServer(options: PromptsServerOptions): Promise<PromptsServer> {
  const { host, port, setting = HTTP_SETTING } = options;
  let closing: Promise<void> | undefined;
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    // A connection that was busy when the server closed would else be kept open for another request.
    response.once('finish', () => {
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
    answer(options, request, response).catch((error: unknown) => answerFault(response, error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new TributaryError(
          'TRIB_USAGE',
          `prompts endpoint: expected to listen on ${host}:${port}, got ${cause.code ?? cause.message}. Choose another ${setting}.`,
          { cause },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  const { address, family, port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`,
    close: () => {
      closing ??= new Promise((resolve) => {
        const cutOff = setTimeout(() => server.closeAllConnections(), CLOSING_MS);
        server.close(() => {
          clearTimeout(cutOff);
          resolve();
        });
      });
      return closing;
    },
  };
}

async function answer(
  { host, allowHosts, token, inbox, setting = HTTP_SETTING }: PromptsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const fault = hostFault(request, {
    host,
    names: allowHosts,
    setting: `${setting}.allowHosts`,
  });
  if (fault) throw new RequestFault(fault.status, fault.message);
  const path = pathOf(request);
  if (path === '/health') {
    requireMethod(request, ['GET', 'HEAD']);
    return send(response, 200, { status: 'ok' });
  }
  if (path !== '/prompts') throw new RequestFault(404, 'expected POST /prompts or GET /health');
  requireMethod(request, ['POST']);
  if (token !== undefined && !isToken(request.headers.authorization, token))
    throw new RequestFault(401, 'expected the bearer token', { 'www-authenticate': 'Bearer' });
  // A page of another origin cannot send this type without a preflight request.
  if (!/^application\/json *(;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new RequestFault(415, 'expected content-type application/json');
  const prompts = readPromptsRequest(await readBody(request), (prompt) => inbox.faultOf(prompt));
  if (prompts.length > inbox.maxWaiting)
    throw new RequestFault(413, `expected at most ${inbox.maxWaiting} prompts, got ${prompts.length}`);
  const acceptance = await inbox.accept(prompts);
  switch (acceptance.kind) {
    case 'accepted':
      return send(response, 202, { accepted: prompts.length, waiting: acceptance.waiting });
    case 'full':
      throw new RequestFault(
        429,
        `expected no more than ${inbox.maxWaiting} prompts to wait, got ${prompts.length} on top of ${acceptance.waiting}`,
        { 'retry-after': String(RETRY_AFTER_SECONDS) },
      );
    case 'over':
      throw new RequestFault(503, 'the run takes no more prompts');
    default:
      acceptance satisfies never;
  }
}

function requireMethod({ method = '' }: IncomingMessage, allowed: readonly string[]): void {
  if (allowed.includes(method)) return;
  throw new RequestFault(405, `expected ${allowed.join(' or ')}`, { allow: allowed.join(', ') });
}

/** Compares in constant time. */
function isToken(authorization: string | undefined, token: string): boolean {
  const hashOf = (text: string) => createHash('sha256').update(text).digest();
  const [, given = ''] = /^Bearer +(.*)$/i.exec(authorization ?? '') ?? [];
  return timingSafeEqual(hashOf(given), hashOf(token));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Destroying the request would close the connection before the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += (chunk as Buffer).length;
    if (bytes <= MOST_BODY_BYTES) chunks.push(chunk as Buffer);
    else {
      request.resume();
      throw new RequestFault(413, `expected a body of at most ${MOST_BODY_BYTES} bytes`);
    }
  }
  const body = Buffer.concat(chunks);
  if (!isUtf8(body)) throw new RequestFault(400, 'expected a body in UTF-8, got invalid bytes');
  return body.toString('utf8');
}

function answerFault(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) return;
  if (error instanceof RequestFault) send(response, error.status, { error: error.message }, error.headers);
  // The cluster's fault is not the sender's business; the sender may try again.
  else send(response, 503, { error: 'the prompts could not be kept; try again with the same ids' });
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  });
  response.end(text);
}
