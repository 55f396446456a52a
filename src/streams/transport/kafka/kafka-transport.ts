import { defer, type Observable, ReplaySubject, Subject, share, takeUntil } from 'rxjs';
import { type ErrorCode, TributaryError } from '../../../errors.js';
import type {
  Delivery,
  Envelope,
  Headers,
  OnDeadLetter,
  Subscription,
  TopicDeclaration,
  TopicOf,
  Transport,
} from '../contract/transport.js';
import {
  closedFault,
  requireBound,
  topicKindFault,
  unknownTopicFault,
} from '../contract/transport-faults.js';
import { deadLetterRecord } from './dead-letter-record.js';
import type { ExclusiveWriter, LogDriver, LogRecord, NewRecord, TopicPlan } from './log-driver.js';
import { readQueue } from './queue-reader.js';
import { readToEnd } from './read-to-end.js';
import { readNewestState, readState, type StateReaderOptions } from './state-reader.js';
import type { TopicCodec } from './topic-codec.js';

/**
 * Offsets up to which consumer groups have answered all records, by `<topic>/<consumer group>`, then by partition. Nothing was
 * answered of a partition that is missing.
 */
export type Positions = Readonly<Record<string, Readonly<Record<string, string>>>>;

interface KafkaTransport<Messages extends object> extends Transport<Messages> {
  /** How far its own groups are. A transport that starts there receives all that was not answered. */
  positions(): Positions;
  /**
   * Makes this transport the only writer of these topics among all that take them under the same name: a previous one gets
   * TRIB_USAGE when it writes, and all that it wrote can be read.
   */
  takeTopics(name: string, topics: readonly TopicOf<Messages>[]): Promise<void>;
}

interface KafkaTransportOptions<Messages> {
  readonly driver: LogDriver;
  /** Topic `work` is `<prefix>.work` in the cluster, or as `names` says. */
  readonly prefix: string;
  readonly names?: Readonly<Record<string, string>>;
  /**
   * Consumer groups without other members. They go on at `startAt`, whatever was committed: the reader may have been reset to
   * an earlier state.
   */
  readonly ownGroups?: { readonly names: readonly string[]; readonly startAt: Positions };
  readonly topics: readonly (TopicDeclaration & { readonly name: TopicOf<Messages> })[];
  readonly codec: TopicCodec;
  /** Of every queue topic: how many members of a consumer group can work at the same time. */
  readonly numPartitions: number;
  readonly maxMessageBytes: number;
  /** Copies of every topic that is created; default: the cluster's. */
  readonly replicationFactor?: number;
  /** How long a queue topic that is created keeps a record; default: the cluster's. */
  readonly retentionHours?: number;
  readonly maxAttempts: number;
  readonly deadLettersTopic: TopicOf<Messages>;
  /** Hears of every dead letter that is written here. */
  readonly onDeadLetter?: OnDeadLetter | undefined;
  /** Takes a value of a broadcast topic that could not be read. */
  readonly onUnreadable: (topic: string, error: unknown) => void;
}

const NAME = 'kafka';
/** Bytes of a batch besides its records. */
const BATCH_BYTES = 100;

/**
 * Creates a transport over a Kafka cluster. It keeps all promises of `Transport` but one: publishers never wait, as a log has
 * no capacity; instead it bounds how many messages a reader holds. Missing topics are created, others are checked.
 *
 * Time: `publish` resolves when all in-sync replicas have the record. A new member of a consumer group gets its first message
 * once the group has assigned its partitions again.
 *
 * Errors: TRIB_TRANSPORT, also if a topic has other settings than it must have.
 */
export async function createKafkaTransport<Messages extends object>(
  options: KafkaTransportOptions<Messages>,
): Promise<KafkaTransport<Messages>> {
  requireBound('transport', 'maxAttempts', options.maxAttempts);
  const transport = new TransportOverKafka(options);
  const { driver, topics } = options;
  await driver.ensureTopics(topics.map((topic) => planOf(topic, transport.inCluster(topic.name), options)));
  return transport;
}

class TransportOverKafka<Messages extends object> implements KafkaTransport<Messages> {
  readonly #options;
  readonly #declared: ReadonlyMap<string, TopicDeclaration>;
  readonly #closing$ = new Subject<void>();
  /** Ends of readers that were left. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #writers = new Map<string, ExclusiveWriter>();
  /** Where each of its own groups stands, by `<topic>/<consumer group>`. */
  readonly #readers = new Map<string, () => ReadonlyMap<number, bigint>>();
  readonly #states = new Map<string, Observable<unknown>>();
  #isClosed = false;

  constructor(options: KafkaTransportOptions<Messages>) {
    this.#options = options;
    this.#declared = new Map(options.topics.map((topic) => [topic.name, topic]));
  }

  /** The name of a topic in the cluster. */
  inCluster(topic: string): string {
    const { prefix, names = {} } = this.#options;
    return `${prefix}.${names[topic] ?? topic}`;
  }

  async publish<Topic extends TopicOf<Messages>>(
    topic: Topic,
    { key, message, headers = {}, turn }: Envelope<Messages[Topic]>,
  ): Promise<void> {
    const { driver, codec, deadLettersTopic, numPartitions } = this.#options;
    if (!this.#declared.has(topic)) throw this.#unknown(topic);
    this.#requireOpen();
    const written = { key, ...(await codec.write(topic, message, headers)) };
    if (topic === deadLettersTopic) this.#options.onDeadLetter?.(headers);
    const record = topic === deadLettersTopic ? await this.#letterOf(written, headers) : written;
    const place = turn === undefined ? {} : { partition: turn % numPartitions };
    const writer = this.#writers.get(topic);
    if (writer) await writer.append(this.inCluster(topic), record);
    else await driver.append(this.inCluster(topic), [{ ...record, ...place }]);
  }

  subscribe<Topic extends TopicOf<Messages>>(
    subscription: Subscription<Topic>,
  ): Observable<Delivery<Messages[Topic]>> {
    const { topic, consumerGroup, maxInFlight, onRepeat } = subscription;
    requireBound(`subscription of "${topic}"`, 'maxInFlight', maxInFlight);
    const { capacity } = this.#require(topic, 'queue');
    const { driver, maxAttempts, deadLettersTopic, ownGroups } = this.#options;
    const isOwn = ownGroups?.names.includes(consumerGroup) ?? false;
    const reader = `${topic}/${consumerGroup}`;
    const starts = Object.entries(ownGroups?.startAt[reader] ?? {});
    return this.#unlessClosed(() =>
      readQueue({
        driver,
        topic: this.inCluster(topic),
        consumerGroup: this.#groupOf(topic, consumerGroup),
        maxInFlight,
        onRepeat,
        maxWaiting: capacity,
        maxAttempts,
        decode: (record) => this.#decode(topic, record),
        deadLetter: topic === deadLettersTopic ? null : (...grave) => this.#bury(subscription, ...grave),
        startAt: isOwn
          ? new Map(starts.map(([partition, offset]) => [Number(partition), BigInt(offset)]))
          : null,
        onReading: (positions) => isOwn && this.#readers.set(reader, positions),
        onLeaving: (left) => this.#track(left),
      }),
    ) as Observable<Delivery<Messages[Topic]>>;
  }

  async readBack<Topic extends TopicOf<Messages>>(
    topic: Topic,
    take: (message: Messages[Topic]) => void,
  ): Promise<void> {
    this.#require(topic, 'queue');
    this.#requireOpen();
    await readToEnd(this.#options.driver, this.inCluster(topic), async (record) => {
      try {
        take((await this.#decode(topic, record)) as Messages[Topic]);
      } catch (error) {
        if (!(error instanceof TributaryError)) throw error;
      }
    });
  }

  latest<Topic extends TopicOf<Messages>>(topic: Topic): Observable<Messages[Topic]> {
    this.#require(topic, 'broadcast');
    return this.#unlessClosed(() => this.#stateOf(topic)) as Observable<Messages[Topic]>;
  }

  async newest<Topic extends TopicOf<Messages>>(topic: Topic): Promise<Messages[Topic] | null> {
    this.#require(topic, 'broadcast');
    this.#requireOpen();
    return (await readNewestState(this.#stateOptions(topic))) as Messages[Topic] | null;
  }

  async readers(topic: TopicOf<Messages>, consumerGroup: string): Promise<readonly string[]> {
    this.#require(topic, 'queue');
    this.#requireOpen();
    return this.#options.driver.membersOf(this.#groupOf(topic, consumerGroup));
  }

  async unanswered(topic: TopicOf<Messages>, consumerGroup: string): Promise<number> {
    this.#require(topic, 'queue');
    this.#requireOpen();
    return this.#options.driver.lagOf(this.inCluster(topic), this.#groupOf(topic, consumerGroup));
  }

  positions(): Positions {
    const written = ([reader, positions]: [string, () => ReadonlyMap<number, bigint>]) => [
      reader,
      Object.fromEntries(Array.from(positions(), ([partition, offset]) => [partition, String(offset)])),
    ];
    return Object.fromEntries(Array.from(this.#readers, written));
  }

  async takeTopics(name: string, topics: readonly TopicOf<Messages>[]): Promise<void> {
    const { driver, prefix } = this.#options;
    const writer = await driver.openExclusiveWriter(`${prefix}.${name}`);
    for (const topic of topics) this.#writers.set(topic, writer);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closing$.next();
    await Promise.all(this.#leaving);
    await Promise.all(Array.from(new Set(this.#writers.values()), (writer) => writer.close()));
    await this.#options.driver.close();
  }

  #groupOf(topic: string, consumerGroup: string): string {
    return this.inCluster(`${topic}.${consumerGroup}`);
  }

  #requireOpen(): void {
    if (this.#isClosed) throw closedFault(NAME);
  }

  #unlessClosed<Value>(stream: () => Observable<Value>): Observable<Value> {
    return defer(() => {
      this.#requireOpen();
      return stream().pipe(takeUntil(this.#closing$));
    });
  }

  #unknown(topic: string): TributaryError {
    return unknownTopicFault(topic, [...this.#declared.keys()]);
  }

  #require<Kind extends TopicDeclaration['kind']>(topic: string, kind: Kind) {
    const declaration = this.#declared.get(topic);
    if (!declaration) throw this.#unknown(topic);
    if (declaration.kind !== kind) throw topicKindFault(topic, kind);
    return declaration as Extract<TopicDeclaration, { readonly kind: Kind }>;
  }

  /** A dead letter is bytes of the topic that it came from. */
  #decode(topic: string, record: LogRecord): Promise<unknown> {
    const { codec, deadLettersTopic } = this.#options;
    return codec.read(topic === deadLettersTopic ? (record.headers.origin ?? topic) : topic, record);
  }

  #letterOf(record: NewRecord, why: Headers): Promise<NewRecord> {
    const { codec, maxMessageBytes } = this.#options;
    return deadLetterRecord(record, why, {
      maxBytes: maxMessageBytes - BATCH_BYTES,
      claim: (body) => codec.claim(body),
    });
  }

  async #bury(
    { topic, consumerGroup }: Subscription<string>,
    { key, value, headers }: LogRecord,
    reason: string,
    attempts: number,
    code?: ErrorCode,
  ): Promise<void> {
    const { driver, deadLettersTopic } = this.#options;
    const why = { origin: topic, stage: consumerGroup, reason, attempts: String(attempts) };
    this.#options.onDeadLetter?.({ ...why, ...(code && { code }) });
    const letter = await this.#letterOf({ key, value, headers }, why);
    await driver.append(this.inCluster(deadLettersTopic), [letter]);
  }

  /** One reader of a broadcast topic serves all who follow it. */
  #stateOf(topic: string): Observable<unknown> {
    const known = this.#states.get(topic);
    if (known) return known;
    const state$ = readState(this.#stateOptions(topic)).pipe(
      takeUntil(this.#closing$),
      share({ connector: () => new ReplaySubject<unknown>(1), resetOnRefCountZero: false }),
    );
    this.#states.set(topic, state$);
    return state$;
  }

  #stateOptions(topic: string): StateReaderOptions {
    const { driver, onUnreadable } = this.#options;
    return {
      driver,
      topic: this.inCluster(topic),
      decode: (record) => this.#decode(topic, record),
      onUnreadable: (_, error) => onUnreadable(topic, error),
      onLeaving: (left) => this.#track(left),
    };
  }

  /** Closing waits for readers that were left. */
  #track(left: Promise<void>): void {
    const tracked = left.catch(() => undefined).finally(() => this.#leaving.delete(tracked));
    this.#leaving.add(tracked);
  }
}

function planOf<Messages>(
  declaration: TopicDeclaration,
  topic: string,
  { numPartitions, maxMessageBytes, replicationFactor, ...options }: KafkaTransportOptions<Messages>,
): TopicPlan {
  const { kind } = declaration;
  const { retentionHours } = { ...options, ...declaration };
  return {
    topic,
    numPartitions: kind === 'queue' ? numPartitions : 1,
    cleanupPolicy: kind === 'queue' ? 'delete' : 'compact',
    maxMessageBytes,
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
    ...(retentionHours === undefined || kind !== 'queue' ? {} : { retentionHours }),
  };
}
