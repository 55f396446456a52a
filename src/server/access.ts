/** @file Who may use a server: requests that name its host, of pages of allowed origins, with the token. */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { hostFault } from './host-check.js';
import { serverProblem } from './problem.js';

/** Whom a server lets in. */
export interface AccessRules {
  /** The address that the server listens on. */
  readonly host: string;
  /** Names that requests may call the server by, besides those that `hostFault` takes. */
  readonly allowHosts?: readonly string[] | undefined;
  /** Origins whose pages may use the server from a browser, such as `https://studio.example`, besides its own. */
  readonly allowOrigins?: readonly string[] | undefined;
  /** Where the lists are set, for messages: `--allow-host`. */
  readonly settings: { readonly hosts: string; readonly origins: string };
}

/** Throws a problem where a request is not meant for this server: bad-host, wrong-host. */
export function requireHost(
  request: Pick<IncomingMessage, 'url' | 'headersDistinct'>,
  { host, allowHosts, settings }: AccessRules,
): void {
  const fault = hostFault(request, { host, names: allowHosts, setting: settings.hosts });
  if (fault) throw serverProblem(fault.status === 421 ? 'wrong-host' : 'bad-host', fault.message);
}

/**
 * Throws origin-not-allowed where a page of another origin sends a request. A browser says which page it is in all requests
 * that change something. The scheme does not count for the server's own pages: a proxy may speak TLS.
 */
export function requireOrigin(
  { headers }: Pick<IncomingMessage, 'headers'>,
  { allowOrigins = [], settings }: AccessRules,
): void {
  const { origin, host } = headers;
  if (origin === undefined || allowOrigins.includes(origin)) return;
  if (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()) return;
  throw serverProblem(
    'origin-not-allowed',
    `expected a page of this server, got one of ${origin.slice(0, 200)}; add the origin to ${settings.origins}`,
  );
}

/**
 * Throws unauthorized without the bearer token, or the cookie of a page that has shown it. Both are compared in constant time.
 */
export function requireToken({ headers }: Pick<IncomingMessage, 'headers'>, token: string): void {
  const [, given] = /^Bearer +(.*)$/i.exec(headers.authorization ?? '') ?? [];
  const [, session] = COOKIE.exec(headers.cookie ?? '') ?? [];
  if (given === undefined ? isSame(session ?? '', sessionOf(token)) : isSame(given, token)) return;
  throw serverProblem('unauthorized', 'expected the bearer token', { 'www-authenticate': 'Bearer' });
}

const COOKIE_NAME = 'tributary-session';
const COOKIE = new RegExp(`(?:^|; *)${COOKIE_NAME}=([0-9a-f]{64})(?:;|$)`);

/** The cookie for a page that has shown the token: a browser sends no header of a page's own with pictures and events. */
export function sessionCookie(token: string): string {
  return `${COOKIE_NAME}=${sessionOf(token)}; Path=/; HttpOnly; SameSite=Strict`;
}

/** What only who has the token can make, and what does not give it away. */
const sessionOf = (token: string) => createHmac('sha256', token).update(COOKIE_NAME).digest('hex');

function isSame(given: string, expected: string): boolean {
  const hashOf = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hashOf(given), hashOf(expected));
}
