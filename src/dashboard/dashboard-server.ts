/** @file A page of a run, served while the run goes on. It reads the run directory and nothing else. */

import { type StatsListener, unwatchFile, watchFile } from 'node:fs';
import { access } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Observable } from 'rxjs';
import { TributaryError } from '../errors.js';
import { hostFault, pathOf } from '../host-check.js';
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

interface Dashboard {
  readonly url: string;
  close(): Promise<void>;
}

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/**
 * Serves `/`, the report of the run as it is now; `/events`, server-sent events `changed` whenever the run has logged
 * something; and `/health`.
 *
 * Errors: TRIB_USAGE where the address cannot be had. A page that cannot be made answers 500 and says why.
 */
export async function openDashboard({
  runPath,
  host,
  port,
  allowHosts = [],
}: DashboardOptions): Promise<Dashboard> {
  const followers = new Set<ServerResponse>();
  const changes = fileChanges(join(runPath, 'metrics.jsonl')).subscribe(() => {
    for (const follower of followers) follower.write('event: changed\ndata: \n\n');
  });
  const server = createServer((request, response) => {
    const fault = hostFault(request, { host, names: allowHosts, setting: '--allow-host' });
    if (fault) return answer(response, fault.status, fault.message);
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'expected GET');
    switch (pathOf(request)) {
      case '/':
        livePage(runPath).then(
          (html) => answer(response, 200, html, 'text/html; charset=utf-8'),
          (error: unknown) => answer(response, 500, String(error)),
        );
        break;
      case '/events':
        response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
        response.write(': follows\n\n');
        followers.add(response);
        response.once('close', () => followers.delete(response));
        break;
      case '/health':
        answer(response, 200, 'ok');
        break;
      default:
        answer(response, 404, 'expected /, /events or /health');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new TributaryError(
          'TRIB_USAGE',
          `dashboard: expected to listen on ${host}:${port}, got ${cause.code ?? cause.message}. Choose another --host or --port.`,
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
      changes.unsubscribe();
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function answer(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8') {
  response.writeHead(status, { ...HEADERS, 'content-type': type });
  response.end(body);
}

const INTERVAL_MS = 1000;

/**
 * Emits when a file grows, shrinks, appears or goes. It asks the file system once a second, which works on every volume that
 * can be mounted, and on a file that is not there yet. Unsubscribing ends the asking.
 */
function fileChanges(path: string): Observable<void> {
  return new Observable((subscriber) => {
    const listener: StatsListener = (now, before) => {
      if (now.size !== before.size || now.mtimeMs !== before.mtimeMs) subscriber.next();
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
