import { findStage } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { Lag } from '../../messages/observations.js';
import type { Gateway } from '../../stages/gateway/gateway-stage.js';
import type { Transport } from '../../transport/contract/transport.js';
import { stageTransport } from '../../transport/stage-transport.js';
import { stageReaders } from './stage-readers.js';

/**
 * Returns what asks how many messages the stages of some roles have not answered, in all processes together.
 *
 * Errors: TRIB_TRANSPORT where the cluster does not answer.
 */
export function lagOf(
  config: ResolvedConfig,
  roles: readonly string[],
  transport: Transport<TopicMessages>,
): () => Promise<readonly Lag[]> {
  const readers = stageReaders(config).filter(({ role }) => roles.includes(role));
  return () =>
    Promise.all(
      readers.map(async ({ stage, topic, group }) => ({
        topic,
        consumerGroup: group,
        messages: await stageTransport(transport, config, stage).unanswered(topic, group),
      })),
    );
}

/** Returns what asks how many messages a gateway has yet to read; undefined in a process without one. Errors: as above. */
export function behindOf(
  config: ResolvedConfig,
  gateway: Gateway | null,
  transport: Transport<TopicMessages>,
): (() => Promise<number>) | undefined {
  const stage = findStage(config, 'gateway');
  if (!gateway || !stage) return undefined;
  const wired = stageTransport(transport, config, stage.name);
  const group = `gateway-${gateway.parts.store.name}`;
  return async () => (await wired.unanswered('drawn', group)) + (await wired.unanswered('feedback', group));
}
