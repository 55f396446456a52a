/** @file A page of a run, served while the run goes on. It reads the run directory and nothing else. */

import { type StatsListener, unwatchFile, watchFile } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { Observable } from 'rxjs';
import { EventStream, type ServedEvent } from '../server/event-stream.js';
import { type HttpServer, openServer } from '../server/open-server.js';
import { problemsOf } from '../server/problem.js';
import { loadTopology } from '../streams/config/load-topology.js';
import { newestConfigPath } from '../streams/directory/saved-config.js';
import { escapeHtml } from '../streams/report/figures.js';
import { renderReport } from '../streams/report/render-report.js';
import { readReport } from '../streams/report/write-report.js';

interface DashboardOptions {
  /** The run directory; it need not be there yet. */
  readonly runPath: string;
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Names that requests may call the server by, besides those that `hostFault` takes. */
  readonly allowHosts?: readonly string[];
}

const problem = problemsOf({ 'no-page': [500, 'The report cannot be made.'] });

const TEXT = 'text/plain; charset=utf-8';

/**
 * Serves `/`, the report of the run as it is now; `/events`, server-sent events `changed` whenever the run has logged
 * something; and `/health`.
 *
 * Errors: TRIB_USAGE where the address cannot be had. A page that cannot be made answers 500 and says why.
 */
export async function openDashboard({ runPath, ...address }: DashboardOptions): Promise<HttpServer> {
  const events = new EventStream(fileChanges(join(runPath, 'metrics.jsonl')));
  const server = await openServer(
    {
      ...address,
      name: 'dashboard',
      addressSetting: '--host or --port',
      settings: { hosts: '--allow-host', origins: 'a server of your own that passes it on' },
    },
    (app) => {
      app.get('/health', { config: { isOpen: true } }, (_request, reply) => reply.type(TEXT).send('ok'));
      app.get('/events', { config: { answerWithinMs: Number.POSITIVE_INFINITY } }, (request, reply) =>
        events.answer(request, reply),
      );
      app.get('/', async (_request, reply) => {
        const html = await livePage(runPath).catch((error: unknown) => {
          throw problem('no-page', String(error));
        });
        return reply.type('text/html; charset=utf-8').send(html);
      });
      app.addHook('preClose', () => events.close());
    },
  ).catch((error: unknown) => {
    events.close();
    throw error;
  });
  return server;
}

const INTERVAL_MS = 1000;

/**
 * Emits when a file grows, shrinks, appears or goes. It asks the file system once a second, which works on every volume that
 * can be mounted, and on a file that is not there yet. Unsubscribing ends the asking.
 */
function fileChanges(path: string): Observable<ServedEvent> {
  return new Observable((subscriber) => {
    const listener: StatsListener = (now, before) => {
      if (now.size !== before.size || now.mtimeMs !== before.mtimeMs) subscriber.next({ type: 'changed' });
    };
    watchFile(path, { interval: INTERVAL_MS, persistent: false }, listener);
    return () => unwatchFile(path, listener);
  });
}

/** A connection that was lost comes back by itself, and then something may have happened. */
const FOLLOW = `<script>
let wasOpen = false;
const events = new EventSource('events');
events.onopen = () => { if (wasOpen) location.reload(); wasOpen = true; };
events.addEventListener('changed', () => location.reload());
</script>`;

/** Returns the page of a run directory, or one that waits for the run where there is none yet. */
async function livePage(runPath: string): Promise<string> {
  const configPath = await newestConfigPath(runPath);
  const hasBegun = await access(configPath).then(
    () => true,
    () => false,
  );
  if (!hasBegun) {
    return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Tributary</title></head>\n<body><p>${escapeHtml(runPath)} holds no run yet.</p>${FOLLOW}</body></html>\n`;
  }
  const html = renderReport(
    await readReport(runPath, await loadTopology(configPath, [], { isPlaced: true })),
  );
  return html.replace('</body>', () => `${FOLLOW}</body>`);
}
