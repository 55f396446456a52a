/** @file What can be told of a run that its log does not say: who works on it, and what was given up. */

import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { Delivery, Transport } from '../../transport/contract/transport.js';
import { stageTransport } from '../../transport/stage-transport.js';
import { stageReaders } from './stage-readers.js';

/** A process at work in a role; null where nobody is. */
export interface RoleAtWork {
  readonly role: string;
  readonly process: string | null;
}

/** A message that a stage gave up on. */
export interface GivenUp {
  /** The stage, or the consumer group. */
  readonly stage: string;
  /** That it belongs to; absent where it belongs to none. */
  readonly group?: string | undefined;
  readonly reason: string;
}

export interface RunWatch {
  /** Who works in each role now, once a role and process; null where that cannot be told now. */
  atWork(): Promise<readonly RoleAtWork[] | null>;
  /** The newest letters since this process began to watch, the newest first. */
  givenUp(): readonly GivenUp[];
  close(): void;
}

const MOST_LETTERS = 20;

/**
 * Watches a run, under a name that no other watcher has. Letters that cannot be read are not told; `tributary dead-letters`
 * lists them.
 */
export function watchRun(
  config: ResolvedConfig,
  transport: Transport<TopicMessages>,
  name: string,
): RunWatch {
  const letters: GivenUp[] = [];
  const consumerGroup = `watch-${name}`;
  const reading = transport
    .subscribe({ topic: 'dead-letters', consumerGroup, maxInFlight: MOST_LETTERS })
    .subscribe({
      next(delivery) {
        letters.unshift(letterOf(delivery));
        letters.splice(MOST_LETTERS);
        delivery.ack();
      },
      // The stages err as well, and the run with them.
      error: () => undefined,
    });
  return {
    async atWork() {
      const found = await Promise.all(
        stageReaders(config).map(async ({ stage, role, topic, group }) => {
          const processes = await stageTransport(transport, config, stage).readers(topic, group);
          return processes.length === 0
            ? [{ role, process: null }]
            : processes.map((process) => ({ role, process }));
        }),
      ).catch(() => null);
      return found && distinct(found.flat());
    },
    givenUp: () => letters,
    close: () => reading.unsubscribe(),
  };
}

function letterOf({ key, message, headers }: Delivery<TopicMessages['dead-letters']>): GivenUp {
  const { stage = '', reason = '' } = headers;
  const group = 'groupId' in message ? message.groupId : key;
  return { stage, group, reason };
}

function distinct(found: readonly RoleAtWork[]): RoleAtWork[] {
  return [...new Map(found.map((one) => [`${one.role}\n${one.process}`, one])).values()];
}
