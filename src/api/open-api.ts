/** @file A server of everything that can be asked about runs, and whatever else is added to it. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Observable } from 'rxjs';
import { VERSION } from '../own-package.js';
import type { HttpApp } from '../server/create-app.js';
import { EventStream, type ServedEvent } from '../server/event-stream.js';
import { type HttpServer, openServer, type ServerOptions } from '../server/open-server.js';
import { describeApi } from '../server/openapi.js';
import { addSession, sendFiles, servePage } from '../server/page-files.js';
import { addReportRoutes } from './run/report-routes.js';
import { addRunRoutes, type RunRoutesOptions } from './run/run-routes.js';

export interface ApiOptions extends ServerOptions {
  readonly runs: RunRoutesOptions;
  /** What `/v1/events` says. */
  readonly events$: Observable<ServedEvent>;
  /** Folder of the page at `/`; null for none. Default: that of the package, where it was built. */
  readonly page?: string | null | undefined;
  readonly addRoutes: (app: HttpApp) => void;
}

const STUDIO = fileURLToPath(new URL('../studio', import.meta.url));

/** Starts the server. Errors: TRIB_USAGE where the address cannot be had. */
export async function openApi({ page = builtPage(), ...options }: ApiOptions): Promise<HttpServer> {
  let events: EventStream | undefined;
  try {
    return await openServer(options, async (app) => {
      await describeApi(app, {
        title: 'Tributary',
        description: 'Pictures for people, their feedback, and the runs that learn from it.',
        version: VERSION,
      });
      await sendFiles(app);
      if (page !== null) await servePage(app, page);
      events = new EventStream(options.events$, {
        onSlowReader: () => app.log.warn('a reader of the events was too slow, and was cut off'),
      });
      const stream = events;
      app.addHook('preClose', () => stream.close());
      addSession(app, options.token);
      addHealthRoute(app);
      addEventsRoute(app, stream);
      addReportRoutes(app, { runs: options.runs.runs, isFirstPage: page === null });
      addRunRoutes(app, options.runs);
      options.addRoutes(app);
    });
  } catch (error) {
    events?.close();
    throw error;
  }
}

const builtPage = () => (existsSync(join(STUDIO, 'index.html')) ? STUDIO : null);

function addHealthRoute(app: HttpApp): void {
  app.route({
    method: 'GET',
    url: '/health',
    config: { isOpen: true, isUncounted: true },
    schema: { operationId: 'health', summary: 'Whether the server answers', security: [] },
    handler: (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok'),
  });
}

function addEventsRoute(app: HttpApp, stream: EventStream): void {
  app.route({
    method: 'GET',
    url: '/v1/events',
    config: { answerWithinMs: Number.POSITIVE_INFINITY },
    schema: {
      operationId: 'followEvents',
      summary: 'All that happens, as server-sent events',
      description:
        'The data of each is JSON with its `type`. After `reset`, what came before is no longer kept: ask for the state again.',
    },
    handler: (request, reply) => stream.answer(request, reply),
  });
}
