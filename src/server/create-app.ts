/** @file The application that all servers are: Fastify with its plugins, the checks of every request, and problems as answers. */

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { pino } from 'pino';
import { type AccessRules, requireHost, requireOrigin, requireToken } from './access.js';
import { answerBrokenRequest, problemOf } from './faults.js';
import { pathOf } from './host-check.js';
import { PROBLEM_TYPE, type Problem, problemDocument, serverProblem } from './problem.js';

/** An application to which routes are added; their schemas are zod's. */
export type HttpApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export type ServerLog = FastifyBaseLogger;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Needs no token. */
    readonly isOpen?: boolean;
    /** Is left out where the requests of a client are counted: what comes in large numbers and costs little. */
    readonly isUncounted?: boolean;
    /** Milliseconds in which it must answer; Infinity for a stream without an end. */
    readonly answerWithinMs?: number;
    /** What the problems of this route carry besides, for clients of another kind. */
    readonly besides?: (problem: Problem) => object;
  }
}

export interface AppOptions extends AccessRules {
  /** Bearer token that requests need; undefined for none. */
  readonly token?: string | undefined;
  /** Requests of one client, by its address, in a minute. Default: 3000. */
  readonly requestsPerMinute?: number | undefined;
  /** Default: 64 KiB. */
  readonly mostBodyBytes?: number | undefined;
  /** Milliseconds in which a request must have come as a whole. Default: 15,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Milliseconds in which a request must be answered, unless its route says otherwise. Default: 30,000. */
  readonly answerWithinMs?: number | undefined;
  /** Milliseconds after which a connection on which nothing passes is cut off. Default: 120,000. */
  readonly idleMs?: number | undefined;
  /** Reads a body. Default: JSON without keys that lead to a prototype. */
  readonly parseBody?: ((text: string) => unknown) | undefined;
  /** The problems behind errors of the routes; undefined for errors that it does not know. */
  readonly problemOf?: ((error: unknown) => Problem | undefined) | undefined;
  /** Default: warnings and errors as JSON lines on standard error. */
  readonly log?: FastifyBaseLogger | undefined;
}

/** A path may carry the name of a person, in which a character may take twelve. */
const LONGEST_PARAMETER = 4000;
/** How often requests that take too long are looked for. */
const LOOKS_PER_TIMEOUT = 5;

/** Returns an application without routes. Fastify is loaded here: a run that serves nobody does without. */
export async function createApp(options: AppOptions): Promise<HttpApp> {
  const [{ fastify, LogController }, { default: cors }, { default: rateLimit }, zod] = await Promise.all([
    import('fastify'),
    import('@fastify/cors'),
    import('@fastify/rate-limit'),
    import('fastify-type-provider-zod'),
  ]);
  const {
    requestsPerMinute = 3000,
    mostBodyBytes = 64 * 2 ** 10,
    requestTimeoutMs = 15_000,
    answerWithinMs = 30_000,
    idleMs = 120_000,
    token,
  } = options;
  const app: HttpApp = fastify({
    loggerInstance: options.log ?? pino({ base: null, level: 'warn' }, process.stderr),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: mostBodyBytes,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: idleMs,
    http: {
      // Node cuts off no slow body where this is only set later, as Fastify does.
      requestTimeout: requestTimeoutMs,
      // Its answer would have no body.
      requireHostHeader: false,
      connectionsCheckingInterval: Math.ceil(requestTimeoutMs / LOOKS_PER_TIMEOUT),
    },
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    rewriteUrl: pathOf,
    clientErrorHandler: answerBrokenRequest,
    return503OnClosing: false,
  });
  app.setValidatorCompiler(zod.validatorCompiler);
  app.setSerializerCompiler(zod.serializerCompiler);
  readJsonAlone(app, options.parseBody);
  answerProblems(app, options);
  answerInTime(app, answerWithinMs);
  app.addHook('onRequest', async ({ raw, originalUrl }) => {
    requireHost({ url: originalUrl, headersDistinct: raw.headersDistinct }, options);
    requireOrigin(raw, options);
  });
  if (options.allowOrigins?.length)
    await app.register(cors, {
      origin: [...options.allowOrigins],
      methods: ['GET', 'HEAD', 'POST', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'last-event-id'],
      exposedHeaders: ['retry-after'],
      maxAge: 600,
      strictPreflight: false,
    });
  await app.register(rateLimit, {
    global: false,
    max: requestsPerMinute,
    timeWindow: 60_000,
    errorResponseBuilder: (_request, { max, after }) =>
      serverProblem('rate-limited', `expected at most ${max} requests a minute, got more; wait ${after}`),
  });
  const count = app.rateLimit();
  app.addHook('onRequest', async function (request, reply) {
    if (request.routeOptions.config.isUncounted !== true) await count.call(this, request, reply);
  });
  if (token !== undefined)
    app.addHook('onRequest', async ({ raw, is404, routeOptions }) => {
      if (!is404 && routeOptions.config.isOpen !== true) requireToken(raw, token);
    });
  return app;
}

/** Takes bodies of JSON and no others: a page of another origin cannot send this type without asking first. */
function readJsonAlone(app: HttpApp, parse: AppOptions['parseBody']): void {
  const parseSafely = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (!isUtf8(body as Buffer))
      return done(serverProblem('invalid-json', 'expected a body in UTF-8, got invalid bytes'));
    const text = body.toString('utf8');
    if (parse === undefined) return parseSafely(request, text, done);
    try {
      done(null, parse(text));
    } catch (error) {
      done(error as Error);
    }
  });
}

/**
 * Answers with the problem `deadline` what nothing else has answered in time, and cuts off an answer that is read too slowly.
 * Fastify's own `handlerTimeout` ends when a body has been read, on Node 20.
 */
function answerInTime(app: HttpApp, answerWithinMs: number): void {
  app.addHook('onRequest', async ({ routeOptions }, reply) => {
    const ms = routeOptions.config.answerWithinMs ?? answerWithinMs;
    if (ms === Number.POSITIVE_INFINITY) return;
    const timer = setTimeout(() => {
      if (reply.raw.headersSent) reply.raw.destroy();
      else reply.send(serverProblem('deadline', `expected an answer within ${ms} ms, got none; try again`));
    }, ms);
    reply.raw.once('close', () => clearTimeout(timer));
  });
}

/** Aborts when a request needs no answer any more: it is answered, or whoever sent it has gone. */
export function untilAnswered({ raw }: FastifyReply): AbortSignal {
  const ending = new AbortController();
  raw.once('close', () => ending.abort());
  return ending.signal;
}

/** Answers every error with a problem document, and an unknown path with one that says so. */
function answerProblems(app: HttpApp, { problemOf: ownProblemOf }: AppOptions): void {
  app.setNotFoundHandler(({ method, url }) => {
    throw serverProblem('no-such-path', `expected a path of this server, got ${method} ${url.slice(0, 200)}`);
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = ownProblemOf?.(error) ?? problemOf(error);
    if (problem.code === 'internal') request.log.error({ err: error, path: request.url }, problem.title);
    const document = problemDocument(problem, request.url.split('?')[0] ?? '');
    // The rest of the body is read and dropped, until it has taken too long: who still sends would else get no answer.
    if (!request.raw.complete) request.raw.resume();
    return reply
      .code(problem.status)
      .headers(problem.headers)
      .header('cache-control', 'no-store')
      .type(PROBLEM_TYPE)
      .serializer((text: string) => text)
      .send(JSON.stringify({ ...document, ...request.routeOptions.config.besides?.(problem) }));
  });
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    reply.header('x-frame-options', 'DENY');
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
}
