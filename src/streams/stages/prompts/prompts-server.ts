/** @file The endpoint that takes prompts over HTTP; docs/prompts.md describes its requests and answers. */

import type { HttpApp } from '../../../server/create-app.js';
import { type HttpServer, openServer } from '../../../server/open-server.js';
import { type ProblemTable, problemsOf } from '../../../server/problem.js';
import type { PromptInbox } from './prompt-inbox.js';
import { readPromptsRequest } from './read-prompts-request.js';

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

/** What it refuses besides what every server does. */
const PROMPTS_PROBLEMS = {
  'too-many-prompts': [413, 'One request has more prompts than may wait.'],
  'queue-full': [429, 'As many prompts wait as may.'],
  'run-over': [503, 'The run takes no more prompts.'],
  'not-kept': [503, 'The prompts could not be kept.'],
} as const satisfies ProblemTable;

const problem = problemsOf(PROMPTS_PROBLEMS);

const HTTP_SETTING = 'stages.prompts.source.http';
const MOST_BODY_BYTES = 4 * 2 ** 20;
const RETRY_AFTER_SECONDS = 5;
const REQUEST_TIMEOUT_MS = 30_000;
/** `maxWaiting` bounds what is taken: one program may send the prompts of many people, one by one. */
const REQUESTS_PER_MINUTE = 10_000_000;

/** Starts the endpoint. Errors: TRIB_USAGE if the address cannot be used. */
export function openPromptsServer({
  inbox,
  setting = HTTP_SETTING,
  ...address
}: PromptsServerOptions): Promise<HttpServer> {
  return openServer(
    {
      ...address,
      name: 'prompts endpoint',
      addressSetting: setting,
      // Pages of other origins may not send prompts.
      settings: { hosts: `${setting}.allowHosts`, origins: 'a server of your own that passes it on' },
      mostBodyBytes: MOST_BODY_BYTES,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      requestsPerMinute: REQUESTS_PER_MINUTE,
      // Numbers in the metadata are kept as they are written.
      parseBody: (text) => text,
    },
    (app) => addPromptsRoutes(app, inbox),
  );
}

function addPromptsRoutes(app: HttpApp, inbox: PromptsServerOptions['inbox']): void {
  app.get('/health', { config: { isOpen: true } }, () => ({ status: 'ok' }));
  app.route({
    method: 'POST',
    url: '/prompts',
    config: { besides: ({ detail }) => ({ error: detail }) },
    handler: async ({ body }, reply) => {
      const prompts = readPromptsRequest(String(body), (prompt) => inbox.faultOf(prompt));
      if (prompts.length > inbox.maxWaiting)
        throw problem(
          'too-many-prompts',
          `expected at most ${inbox.maxWaiting} prompts, got ${prompts.length}`,
        );
      // The cluster's fault is not the sender's business; the sender may try again.
      const acceptance = await inbox.accept(prompts).catch(() => {
        throw problem('not-kept', 'the prompts could not be kept; try again with the same ids');
      });
      switch (acceptance.kind) {
        case 'accepted':
          return reply.code(202).send({ accepted: prompts.length, waiting: acceptance.waiting });
        case 'full':
          throw problem(
            'queue-full',
            `expected no more than ${inbox.maxWaiting} prompts to wait, got ${prompts.length} on top of ${acceptance.waiting}`,
            { 'retry-after': String(RETRY_AFTER_SECONDS) },
          );
        case 'over':
          throw problem('run-over', 'the run takes no more prompts');
        default:
          return acceptance satisfies never;
      }
    },
  });
}
