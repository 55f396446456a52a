/** @file A server: an application that listens on an address. */

import type { AddressInfo } from 'node:net';
import { TributaryError } from '../errors.js';
import { type AppOptions, createApp, type HttpApp } from './create-app.js';
import { serverProblem } from './problem.js';

export interface ServerOptions extends AppOptions {
  /** What it is, for messages: `dashboard`. */
  readonly name: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Where the address is set, for messages. */
  readonly addressSetting: string;
}

export interface HttpServer {
  readonly url: string;
  /** Takes no more requests, and resolves when those in flight are answered or cut off. May be called twice. */
  close(): Promise<void>;
}

/** Requests that are not answered within this time of closing are cut off. */
const CLOSING_MS = 5000;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * Starts a server with the routes that are added.
 *
 * Errors: TRIB_USAGE where the address cannot be had.
 */
export async function openServer(
  options: ServerOptions,
  addRoutes: (app: HttpApp) => void | Promise<void>,
): Promise<HttpServer> {
  const { name, host, port, addressSetting } = options;
  const app = await createApp(options);
  try {
    const methods = methodsByPath(app);
    await addRoutes(app);
    refuseOtherMethods(app, methods);
    await app.listen({ host, port }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.syscall === undefined) throw cause;
      throw new TributaryError(
        'TRIB_USAGE',
        `${name}: expected to listen on ${host}:${port}, got ${cause.code ?? cause.message}. Choose another ${addressSetting}.`,
        { cause },
      );
    });
  } catch (error) {
    await app.close();
    throw error;
  }
  const { address, family, port: taken } = app.server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`,
    close: () => {
      closing ??= close(app);
      return closing;
    },
  };
}

async function close(app: HttpApp): Promise<void> {
  const cutOff = setTimeout(() => app.server.closeAllConnections(), CLOSING_MS);
  try {
    await app.close();
  } finally {
    clearTimeout(cutOff);
  }
}

type MethodsByPath = ReadonlyMap<string, ReadonlySet<string>>;

function methodsByPath(app: HttpApp): MethodsByPath {
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? new Set();
    for (const one of [method].flat()) known.add(one);
    methods.set(url, known);
  });
  return methods;
}

/** Answers a known path with another method by the methods that it has. */
function refuseOtherMethods(app: HttpApp, methods: MethodsByPath): void {
  for (const [url, known] of [...methods]) {
    if (url === '*') continue;
    const allowed = [...known];
    app.route({
      method: METHODS.filter((method) => !known.has(method)),
      url,
      exposeHeadRoute: false,
      schema: { hide: true },
      config: { isOpen: true },
      // Before the body is read.
      onRequest: async ({ method }) => {
        throw serverProblem('method-not-allowed', `expected ${allowed.join(' or ')}, got ${method}`, {
          allow: allowed.join(', '),
        });
      },
      handler: () => undefined,
    });
  }
}
