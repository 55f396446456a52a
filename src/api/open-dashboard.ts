/** @file The page of a run, or of a folder of runs, served while they go on. It reads run directories and nothing else. */

import type { ServerLog } from '../server/create-app.js';
import { isLoopback } from '../server/host-check.js';
import type { HttpServer } from '../server/open-server.js';
import { openApi } from './open-api.js';
import { overTheirBrokers, watchesOnly } from './run/control-access.js';
import { Runs } from './run/runs.js';
import { watchRuns } from './run/watch-runs.js';

interface DashboardOptions {
  /** A run directory, which need not be there yet, or a folder of some. */
  readonly runPath: string;
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Names that requests may call the server by, besides those that `hostFault` takes. */
  readonly allowHosts?: readonly string[] | undefined;
  /** Bearer token that requests need; undefined for none. */
  readonly token?: string | undefined;
  /** Folder of the page; null for none. Default: that of the package. */
  readonly page?: string | null;
  readonly log?: ServerLog;
  readonly warn?: (message: string) => void;
}

/**
 * Serves the page of runs at `/`, their data under `/v1/`, the report of the newest at `/report`, and `/health`.
 *
 * Errors: TRIB_USAGE where the address cannot be had. A report that cannot be made answers 500 and says why.
 */
export function openDashboard({
  runPath,
  allowHosts,
  warn = () => undefined,
  ...options
}: DashboardOptions): Promise<HttpServer> {
  const runs = new Runs(runPath);
  const isSafe = options.token !== undefined || isLoopback(options.host);
  const control = isSafe
    ? overTheirBrokers(warn)
    : watchesOnly(`Anyone who reaches ${options.host} could give commands: set TRIBUTARY_GATEWAY_TOKEN.`);
  return openApi({
    ...options,
    name: 'dashboard',
    allowHosts,
    addressSetting: '--host or --port',
    settings: { hosts: '--allow-host', origins: 'a server of your own that passes it on' },
    runs: { runs, control },
    events$: watchRuns(runs),
    addRoutes: () => undefined,
  });
}
