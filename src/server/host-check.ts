/**
 * @file Whether a request is meant for this server. A page of another origin can point a name of its own at this address (DNS
 * rebinding). The browser then treats the answers as that page's own, but it still sends the page's name as Host.
 */
import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6 } from 'node:net';

const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;

/** What is wrong with a request, and the status to answer with. */
interface HostFault {
  readonly status: 400 | 421;
  readonly message: string;
}

/**
 * Returns what is wrong with the host that a request names, or null. It accepts the host that the server listens on,
 * `localhost` and names below it (RFC 6761, section 6.3), the configured `names`, and every address: only a name can be made
 * to point elsewhere. Ports are not compared, because a proxy or a container may map them. A target in absolute form counts
 * as well as the Host header (RFC 9112, section 3.2.2).
 *
 * @param setting where names are configured, for the message.
 */
export function hostFault(
  request: Pick<IncomingMessage, 'url' | 'headersDistinct'>,
  { host, names = [], setting }: { host: string; names?: readonly string[] | undefined; setting: string },
): HostFault | null {
  const [header, ...others] = request.headersDistinct.host ?? [];
  if (header === undefined || others.length > 0)
    return {
      status: 400,
      message: `expected one Host header, got ${header === undefined ? 'none' : 'several'}`,
    };
  const target = ABSOLUTE.exec(request.url ?? '')?.[1];
  for (const authority of target === undefined ? [header] : [header, target]) {
    const name = hostOf(authority);
    if (name === null)
      return { status: 400, message: 'expected a host name or address, with or without a port' };
    const isKnown = [host, ...names].some((known) => normal(known) === name);
    if (!isKnown && isIP(name) === 0 && name !== 'localhost' && !name.endsWith('.localhost'))
      return { status: 421, message: `expected a host of this server, got ${name}; add it to ${setting}` };
  }
  return null;
}

/** Returns the path and the query that a request asks for, in whichever form its target is. */
export function pathOf({ url = '' }: Pick<IncomingMessage, 'url'>): string {
  const path = url.replace(ABSOLUTE, '');
  return path.startsWith('/') ? path : `/${path}`;
}

/** Whether an address is reached from this machine alone. */
export const isLoopback = (host: string) => ['127.0.0.1', 'localhost', '::1'].includes(host);

/** `name`, `name:port`, `[address]:port`; null for anything else. */
function hostOf(authority: string): string | null {
  const [, address, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(authority) ?? [];
  if (address !== undefined) return isIPv6(address) ? normal(address) : null;
  return name === undefined ? null : normal(name);
}

const normal = (name: string) => name.toLowerCase().replace(/\.$/, '');
