/** @file The server of a gateway: people ask it for pictures, say which are good, and watch the run learn from it. */

import { merge, type Observable } from 'rxjs';
import type { ServerLog } from '../server/create-app.js';
import type { ServedEvent } from '../server/event-stream.js';
import type { HttpServer } from '../server/open-server.js';
import type { Desk } from '../streams/stages/gateway/desk.js';
import { deskProblem } from './gateway/gateway-problems.js';
import { addGatewayRoutes } from './gateway/gateway-routes.js';
import { openApi } from './open-api.js';
import type { ControlAccess } from './run/control-access.js';
import type { LiveRun } from './run/run-routes.js';
import { Runs } from './run/runs.js';
import { watchRuns } from './run/watch-runs.js';

export interface GatewayServerOptions {
  readonly desk: Desk;
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly allowHosts: readonly string[];
    readonly allowOrigins: readonly string[];
  };
  /** Where that is set, for messages: `stages.gateway.http`. */
  readonly setting: string;
  /** Bearer token that requests need; undefined for none. */
  readonly token: string | undefined;
  /** Pictures of a group. */
  readonly pictures: number;
  readonly answerWithinMs: number;
  /** The run directory that is shown beside; a folder where none begins shows a run that waits. */
  readonly runPath: string;
  readonly control: ControlAccess;
  readonly live: LiveRun & { readonly events$: Observable<ServedEvent> };
  /** Folder of the page; null for none. Default: that of the package. */
  readonly page?: string | null;
  readonly log?: ServerLog;
}

/** Starts the server. Errors: TRIB_USAGE where the address cannot be had. */
export function openGatewayServer(options: GatewayServerOptions): Promise<HttpServer> {
  const { desk, http, setting, token, runPath, control, live, page, log, ...images } = options;
  const runs = new Runs(runPath);
  return openApi({
    ...http,
    name: 'gateway',
    addressSetting: setting,
    settings: { hosts: `${setting}.allowHosts`, origins: `${setting}.allowOrigins` },
    token,
    page,
    log,
    // An answer that is drawn may take as long as the desk waits.
    idleMs: Math.max(120_000, 2 * images.answerWithinMs),
    problemOf: deskProblem,
    runs: { runs, control, live },
    events$: merge(desk.events$, watchRuns(runs), live.events$),
    addRoutes: (app) => addGatewayRoutes(app, { desk, ...images }),
  });
}
