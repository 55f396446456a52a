/** @file What a process of a run says to those who operate it: `/health`, `/ready` and `/metrics`. */

import type { HttpApp, ServerLog } from '../../server/create-app.js';
import { openServer } from '../../server/open-server.js';
import type { ResolvedConfig } from '../../streams/config/schema/topology-schema.js';
import type { Observe } from '../../streams/messages/observations.js';
import type { RunEvent } from '../../streams/messages/run-events.js';
import { type Meter, openMeter } from '../../streams/telemetry/open-meter.js';
import { type ReadinessWatch, watchReadiness } from '../../streams/telemetry/readiness.js';
import { processName } from '../../streams/transport/process-name.js';

export interface Telemetry {
  readonly url: string;
  readonly observe: Observe;
  /** Counts what the run says. */
  note(event: RunEvent): void;
  close(): Promise<void>;
}

const SETTING = 'telemetry.http';
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
/** Prometheus waits ten seconds for an answer, Kubernetes one for a probe unless it is told otherwise. */
const ASKED_WITHIN_MS = 900;

/**
 * Serves what operators ask of this process; null where the config does not ask for it.
 *
 * Errors: TRIB_USAGE where the address cannot be had, or a package is missing.
 */
export async function openTelemetry(
  { name, telemetry }: Pick<ResolvedConfig, 'name' | 'telemetry'>,
  roles: readonly string[],
  log?: ServerLog,
): Promise<Telemetry | null> {
  const http = telemetry?.http;
  if (!http) return null;
  const readiness = watchReadiness(ASKED_WITHIN_MS);
  const about = {
    'service.name': 'tributary',
    'service.instance.id': processName(),
    'tributary.run': name,
    'tributary.roles': roles.join(','),
  };
  const meter = await openMeter({ about, lag: readiness.lag });
  const server = await openServer(
    {
      ...http,
      name: 'telemetry endpoint',
      addressSetting: SETTING,
      settings: { hosts: `${SETTING}.allowHosts`, origins: 'a server of your own that passes it on' },
      token: process.env.TRIBUTARY_METRICS_TOKEN || undefined,
      log,
    },
    (app) => addRoutes(app, readiness, meter),
  );
  return {
    url: server.url,
    observe(observation) {
      readiness.observe(observation);
      meter.note(observation);
    },
    note: (event) => meter.note(event),
    close: () => server.close(),
  };
}

function addRoutes(app: HttpApp, readiness: ReadinessWatch, meter: Meter): void {
  const config = { isOpen: true, isUncounted: true };
  app.get('/health', { config }, () => ({ status: 'ok' }));
  app.get('/ready', { config }, async (_request, reply) => {
    const reached = await readiness.now();
    const isReady = Object.values(reached).every(Boolean);
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'starting', ...reached });
  });
  app.get('/metrics', async (_request, reply) => reply.type(METRICS_TYPE).send(await meter.text()));
}
