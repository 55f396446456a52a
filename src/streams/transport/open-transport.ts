/** @file The transport of a process: all topics in memory, or those between processes on Kafka. */

import { TributaryError } from '../../errors.js';
import { kindOfTopic, ownTopics } from '../config/graph/topology-graph.js';
import { deletionHours } from '../config/resolved/deletion-hours.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { TopicMessages } from '../messages/messages.js';
import type { Observe } from '../messages/observations.js';
import { TOPIC_NAMES, TOPICS, type TopicName } from '../messages/topics.js';
import { openTracing } from '../telemetry/open-tracing.js';
import { traceGroups } from '../telemetry/trace-groups.js';
import type { OnDeadLetter, TopicDeclaration, TopicOf, Transport } from './contract/transport.js';
import { createInProcessTransport } from './in-process/in-process.js';
import { createKafkaTransport, type Positions } from './kafka/kafka-transport.js';
import type { LogDriver } from './kafka/log-driver.js';
import { takeSeat } from './kafka/take-seat.js';
import { openKafka } from './open-kafka.js';
import { openPayloadStore } from './wire/open-payload-store.js';
import { recordCodec, wireTopicCodec } from './wire/record.js';

export interface OpenTransport {
  readonly transport: Transport<TopicMessages>;
  /** How far this process has read, for its checkpoint; null if its topics do not last. */
  positions(): Positions | null;
}

interface TransportOptions {
  readonly config: ResolvedConfig;
  /**
   * For the trainer of a run, of which there may be one at a time. Null for workers, whose transport must lead to other
   * processes.
   */
  readonly trainer: {
    /** Whether the run is resumed; a new one needs topics that no other has used. */
    readonly isResumed: boolean;
    readonly startAt: Positions | null;
  } | null;
  /** Whether this process gives incoming prompts to groups; two processes would give a group two prompts. */
  readonly assignsPrompts?: boolean;
  /** Whether this process writes what operators want, and takes that from whoever did before. */
  readonly takesControl?: boolean;
  readonly warn: (message: string) => void;
  /** Hears of dead letters and of bytes. */
  readonly observe?: Observe | undefined;
}

/** Topics inside the trainer's process. */
const LOCAL_TOPICS: readonly string[] = ['batches'];
/** Broadcasts that the trainer alone writes. */
const TRAINER_BROADCASTS = ['schedule', 'policy', 'progress'] as const;
/** Consumer groups that the trainer alone reads for. */
const TRAINER_GROUPS = ['trainer', 'run'];
/** Room for headers and for the log's own fields. */
const RECORD_OVERHEAD_BYTES = 64 * 1024;

/**
 * Opens the transport that a config asks for. On Kafka the trainer takes the run's seat before anything else.
 *
 * Errors: TRIB_USAGE if another trainer holds the run, or a new run finds topics that are in use; TRIB_TRANSPORT if the
 * cluster does not answer, or an existing topic has other settings.
 */
export async function openTransport(options: TransportOptions): Promise<OpenTransport> {
  const { config } = options;
  const tracing = await openTracing(config);
  const opened = await openUntraced(options);
  if (!tracing) return opened;
  return { ...opened, transport: traceGroups(opened.transport, kindOfTopic(config), tracing) };
}

async function openUntraced(options: TransportOptions): Promise<OpenTransport> {
  const { config } = options;
  // A worker alone can do nothing.
  if (config.transport.kind === 'kafka' || options.trainer === null) return openShared(options);
  const transport = createInProcessTransport<TopicMessages>({
    topics: topicDeclarations(config),
    maxAttempts: config.transport.maxAttempts,
    deadLettersTopic: 'dead-letters',
    onDeadLetter: onDeadLetter(options),
  });
  return { transport, positions: () => null };
}

async function openShared(options: TransportOptions): Promise<OpenTransport> {
  const { config, trainer, assignsPrompts, takesControl, warn, observe } = options;
  const { kafka, maxAttempts } = config.transport;
  const { driver, prefix, inCluster } = await openKafka(config, warn);
  const isLocal = ({ name }: { readonly name: string }) => LOCAL_TOPICS.includes(name);
  const keptFor = new Map([
    ['deletions', deletionHours(config)],
    // What is exported of a person should not lie about.
    ['people', 1],
  ]);
  const declarations = topicDeclarations(config).map((topic) => {
    const retentionHours = keptFor.get(topic.name);
    return retentionHours === undefined ? topic : { ...topic, retentionHours };
  });
  try {
    const shared = await createKafkaTransport<TopicMessages>({
      driver,
      prefix,
      names: config.topics,
      topics: declarations.filter((topic) => !isLocal(topic)),
      codec: wireTopicCodec(
        recordCodec({
          payloads: openPayloadStore(kafka.payloads, process.env),
          maxInlineBytes: kafka.maxInlineBytes,
          maxPayloadBytes: kafka.maxPayloadBytes,
          onCarried: observe && ((carried) => observe({ kind: 'carried', ...carried })),
        }),
        kindOfTopic(config),
      ),
      numPartitions: kafka.partitions,
      retentionHours: kafka.retentionHours,
      ...(kafka.replicationFactor !== undefined && { replicationFactor: kafka.replicationFactor }),
      maxMessageBytes: Math.max(kafka.maxInlineBytes, kafka.maxBatchBytes) + RECORD_OVERHEAD_BYTES,
      maxAttempts,
      deadLettersTopic: 'dead-letters',
      onDeadLetter: onDeadLetter(options),
      ...(trainer && { ownGroups: { names: TRAINER_GROUPS, startAt: trainer.startAt ?? {} } }),
      onUnreadable: (topic, error) =>
        warn(`topic ${topic}: ${String(error)}. The older value stays in force.`),
    });
    if (trainer) {
      const progress = inCluster('progress');
      await takeSeat({ driver, seat: `${prefix}.trainer`, holder: 'trainer', topic: progress, warn });
      if (!trainer.isResumed) await requireUnused(driver, progress, prefix);
      await shared.takeTopics('broadcasts', TRAINER_BROADCASTS);
    }
    if (assignsPrompts) {
      const topic = inCluster('incoming-prompts');
      await takeSeat({
        driver,
        seat: `${prefix}.prompts`,
        holder: 'process with the prompts role',
        topic,
        warn,
      });
    }
    if (takesControl) await shared.takeTopics('control', ['control']);
    const local = createInProcessTransport<TopicMessages>({
      topics: declarations.filter((topic) => isLocal(topic) || topic.name === 'dead-letters'),
      maxAttempts,
      deadLettersTopic: 'dead-letters',
    });
    return {
      transport: joinTransports(shared, local, LOCAL_TOPICS),
      positions: () => shared.positions(),
    };
  } catch (error) {
    await driver.close();
    throw error;
  }
}

/** What a reader refused has no code. */
function onDeadLetter({ observe }: TransportOptions): OnDeadLetter | undefined {
  return (
    observe &&
    (({ origin = '', stage = '', code = 'refused' }) =>
      observe({ kind: 'dead-letter', origin, stage, reason: code }))
  );
}

/** The messages of another run would count as this one's. */
async function requireUnused(driver: LogDriver, progress: string, prefix: string): Promise<void> {
  if ((await driver.endOffsets(progress)).size === 0) return;
  throw new TributaryError(
    'TRIB_USAGE',
    `topics ${prefix}.*: expected unused topics, got those of another run. Continue it (--resume), or set transport.kafka.prefix to another name.`,
  );
}

/** Returns one transport of two: `local` carries the topics that are named, `shared` all others. Closing it closes both. */
function joinTransports<Messages extends object>(
  shared: Transport<Messages>,
  local: Transport<Messages>,
  localTopics: readonly string[],
): Transport<Messages> {
  const carrierOf = (topic: TopicOf<Messages>) => (localTopics.includes(topic) ? local : shared);
  return {
    publish: (topic, envelope) => carrierOf(topic).publish(topic, envelope),
    subscribe: (subscription) => carrierOf(subscription.topic).subscribe(subscription),
    readBack: (topic, take) => carrierOf(topic).readBack(topic, take),
    latest: (topic) => carrierOf(topic).latest(topic),
    newest: (topic) => carrierOf(topic).newest(topic),
    readers: (topic, consumerGroup) => carrierOf(topic).readers(topic, consumerGroup),
    unanswered: (topic, consumerGroup) => carrierOf(topic).unanswered(topic, consumerGroup),
    close: async () => {
      await local.close();
      await shared.close();
    },
  };
}

/** Returns the topics of a topology as a transport declares them, queues with the capacity of the config. */
export function topicDeclarations({
  transport,
  stages = {},
}: {
  readonly transport: Pick<ResolvedConfig['transport'], 'capacity'>;
  readonly stages?: ResolvedConfig['stages'];
}): (TopicDeclaration & { readonly name: TopicName })[] {
  const declared = TOPIC_NAMES.map((name): TopicDeclaration & { readonly name: TopicName } =>
    TOPICS[name].kind === 'queue'
      ? { name, kind: 'queue', capacity: transport.capacity }
      : { name, kind: 'broadcast' },
  );
  // A topic of the config's own carries the messages of one of the catalog, and only queues have any.
  const own = Array.from(ownTopics({ stages }).keys(), (name) => ({
    name: name as TopicName,
    kind: 'queue' as const,
    capacity: transport.capacity,
  }));
  return [...declared, ...own];
}
