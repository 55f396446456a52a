/** @file What can be told of a run that its log does not say: who works on it, and what was given up. */

import { roleOf } from '../../config/graph/topology-graph.js';
import { scoringStages } from '../../config/resolved/reward-parts.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { TopicName } from '../../messages/topics.js';
import type { Delivery, Transport } from '../../transport/contract/transport.js';
import { stageTransport } from '../../transport/stage-transport.js';

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
        readersOf(config).map(async ({ stage, role, topic, group }) => {
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

/** What each role reads, by which it is known to be there. */
function readersOf(config: ResolvedConfig) {
  const scoring = scoringStages(config);
  const readingOf = (stage: string): readonly [topic: TopicName, group: string] | null => {
    const settings = config.stages[stage];
    switch (settings?.type) {
      case 'prompts':
        return settings.source.from === 'topic' ? ['incoming-prompts', 'prompts'] : null;
      case 'sampler':
        return ['prompts', 'samplers'];
      case 'reward':
        return scoring.some(({ name }) => name === stage)
          ? ['images', scoring.length > 1 ? `rewards-${stage}` : 'rewards']
          : null;
      case 'advantages':
        return ['trajectories', 'trainer'];
      case 'gateway':
        return ['prompts', 'gateways'];
      default:
        return null;
    }
  };
  return Object.keys(config.stages).flatMap((stage) => {
    const reading = readingOf(stage);
    return reading ? [{ stage, role: roleOf(config, stage), topic: reading[0], group: reading[1] }] : [];
  });
}

function distinct(found: readonly RoleAtWork[]): RoleAtWork[] {
  return [...new Map(found.map((one) => [`${one.role}\n${one.process}`, one])).values()];
}
