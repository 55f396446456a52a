import { join } from 'node:path';
import { TributaryError } from '../../../errors.js';
import { hasStage } from '../../config/graph/topology-graph.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { operateWithin, type RunOperator } from '../../control/operate-control.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { Say } from '../../messages/run-events.js';
import type { Desk } from '../../stages/gateway/desk.js';
import { type Gateway, openGateway } from '../../stages/gateway/gateway-stage.js';
import { openServingRule } from '../../stages/gateway/serving-rule.js';
import { openOrClose } from '../../stages/shared/open-thread.js';
import type { Transport } from '../../transport/contract/transport.js';
import { stageTransport } from '../../transport/stage-transport.js';
import { type RunWatch, watchRun } from './watch-run.js';

/** Serves people at a desk, until it is closed. */
export type ServeDesk = (
  desk: Desk,
  where: {
    readonly config: ResolvedConfig;
    /** The run directory; null in a process without one. */
    readonly runPath: string | null;
    readonly say: Say;
    /** Lets people steer the run. */
    readonly operator: RunOperator;
    readonly watch: RunWatch;
  },
) => Promise<{ close(): Promise<void> }>;

interface GatewayPartOptions {
  readonly config: ResolvedConfig;
  readonly roles: readonly string[];
  readonly transport: Transport<TopicMessages>;
  readonly runPath: string | null;
  /** Rounds that are trained. */
  readonly finishedRounds: number;
  readonly say: Say;
  readonly serve: ServeDesk | undefined;
}

/**
 * Opens the gateway of a process, and serves its desk; null where another process has it.
 *
 * Errors: TRIB_CONFIG where there is no folder to keep groups in; those of the files and of the server.
 */
export async function openGatewayPart({
  config,
  roles,
  transport,
  runPath,
  finishedRounds,
  say,
  serve,
}: GatewayPartOptions): Promise<Gateway | null> {
  if (!hasStage(config, roles, 'gateway')) return null;
  const { name, store, serve: serving } = stageOf(config, 'gateway');
  const warn = (message: string) => say({ kind: 'warning', message });
  const path = store ?? (runPath === null ? undefined : join(runPath, 'gateway'));
  if (path === undefined)
    throw new TributaryError(
      'TRIB_CONFIG',
      `stages.${name}.store: expected a folder, as this process has no run directory, got none. Set it.`,
    );
  const rule = serving.rule ? await openServingRule({ settings: serving.rule, warn }) : null;
  const open = () =>
    openGateway({
      config,
      transport: stageTransport(transport, config, name),
      path,
      finishedRounds,
      warn,
      rule,
    });
  const gateway = await (rule ? openOrClose(rule, open) : open());
  const watch = watchRun(config, transport, gateway.parts.store.name);
  try {
    const operator = operateWithin(config, transport, warn);
    const server = await serve?.(gateway.desk, { config, runPath, say, operator, watch });
    return {
      ...gateway,
      async close() {
        await server?.close();
        watch.close();
        await gateway.close();
      },
    };
  } catch (error) {
    watch.close();
    await gateway.close();
    throw error;
  }
}
