import { defer, type Observable, ReplaySubject, Subject, share, takeUntil, throwError } from 'rxjs';
import { TributaryError } from '../../../errors.js';
import type {
  Delivery,
  Headers,
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
import { readNewestState, readState } from './state-reader.js';

interface RecordBody {
  readonly value: Uint8Array;
  readonly headers: Headers;
}

/** Messages as bytes, and back; `topic` is the one that a message was first published on. */
export interface TopicCodec {
  write(topic: string, message: unknown, headers: Headers): Promise<RecordBody>;
  /** **Errors**: a `TributaryError` where the bytes are no such message; they become a dead letter. */
  read(topic: string, record: RecordBody): Promise<unknown>;
  /** Returns a record of the same message that is small, whatever its size and whether it can be read: the bytes lie elsewhere. */
  claim(record: RecordBody): Promise<RecordBody>;
}

/**
 * Up to where consumer groups have answered all records: by `<topic>/<consumer group>`, then by partition. Of a partition that
 * is not named nothing was answered.
 */
export type Positions = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface KafkaTransport<Messages extends object> extends Transport<Messages> {
  /** Where its own groups stand now. A transport that starts at it is given all that was not answered. */
  positions(): Positions;
  /**
   * From now on this transport alone writes these topics, of all that take them under the same name: one that did before
   * gets TRIB_USAGE when it tries, and all it has written can be read.
   */
  takeTopics(name: string, topics: readonly TopicOf<Messages>[]): Promise<void>;
}

export interface KafkaTransportOptions<Messages> {
  readonly driver: LogDriver;
  /** Topic `work` is `<prefix>.work` in the cluster, or as `names` says. */
  readonly prefix: string;
  readonly names?: Readonly<Record<string, string>>;
  /**
   * Consumer groups that have no other member. They go on where `startAt` says, whatever was committed, as their reader's
   * memory may be older than that.
   */
  readonly ownGroups?: { readonly names: readonly string[]; readonly startAt: Positions };
  readonly topics: readonly (TopicDeclaration & { readonly name: TopicOf<Messages> })[];
  readonly codec: TopicCodec;
  /** Of every queue topic: the most members of a consumer group that can work at one time. */
  readonly numPartitions: number;
  readonly maxMessageBytes: number;
  /** Copies of every topic that is created; by default as the cluster says. */
  readonly replicationFactor?: number;
  /** How long a queue topic that is created keeps a record; by default as the cluster says. */
  readonly retentionHours?: number;
  readonly maxAttempts: number;
  readonly deadLettersTopic: TopicOf<Messages>;
  /** Takes a value of a broadcast topic that could not be read. */
  readonly onUnreadable: (topic: string, error: unknown) => void;
}

const name = 'kafka';
/** What a batch has beside its records. */
const BATCH_BYTES = 100;

/**
 * Creates a transport over a Kafka cluster, with all the promises of `Transport` but one: nobody waits at a capacity, as
 * a log has none; it bounds instead how many messages a reader holds. Topics are created, or verified where they are there.
 *
 * **Time**: `publish` resolves when all replicas in sync have the record. A new member of a consumer group waits for its
 * first message until the group has shared out its partitions anew.
 *
 * **Errors**: TRIB_TRANSPORT, also where a topic is another than it must be.
 */
export async function createKafkaTransport<Messages extends object>(
  options: KafkaTransportOptions<Messages>,
): Promise<KafkaTransport<Messages>> {
  const { driver, prefix, names = {}, topics, codec, maxAttempts, deadLettersTopic } = options;
  requireBound('transport', 'maxAttempts', maxAttempts);
  const declared = new Map<string, TopicDeclaration>(topics.map((topic) => [topic.name, topic]));
  const inCluster = (topic: string) => `${prefix}.${names[topic] ?? topic}`;
  await driver.ensureTopics(topics.map((topic) => planOf(topic, inCluster(topic.name), options)));

  const closing$ = new Subject<void>();
  const leaving = new Set<Promise<void>>();
  const onLeaving = (left: Promise<void>) => {
    const tracked = left.catch(() => undefined).finally(() => leaving.delete(tracked));
    leaving.add(tracked);
  };
  let isClosed = false;
  const writers = new Map<string, ExclusiveWriter>();

  const require = <Kind extends TopicDeclaration['kind']>(topic: string, kind: Kind) => {
    const declaration = declared.get(topic);
    if (!declaration) throw unknownTopicFault(topic, [...declared.keys()]);
    if (declaration.kind !== kind) throw topicKindFault(topic, kind);
    return declaration as Extract<TopicDeclaration, { readonly kind: Kind }>;
  };
  const unlessClosed = <Value>(stream: () => Observable<Value>): Observable<Value> =>
    defer(() => (isClosed ? throwError(() => closedFault(name)) : stream().pipe(takeUntil(closing$))));
  // A dead letter is bytes of the topic that it came from.
  const decode = (topic: string) => (record: LogRecord) =>
    codec.read(topic === deadLettersTopic ? (record.headers.origin ?? topic) : topic, record);
  const letterOptions = {
    maxBytes: options.maxMessageBytes - BATCH_BYTES,
    claim: (record: RecordBody) => codec.claim(record),
  };
  const letterOf = (record: NewRecord, why: Headers) => deadLetterRecord(record, why, letterOptions);
  const readers = new Map<string, () => ReadonlyMap<number, bigint>>();

  const stateOptions = (topic: string) => ({
    driver,
    topic: inCluster(topic),
    decode: decode(topic),
    onUnreadable: (_: LogRecord, error: unknown) => options.onUnreadable(topic, error),
    onLeaving,
  });
  const states = new Map<string, Observable<unknown>>();
  const stateOf = (topic: string): Observable<unknown> => {
    const known = states.get(topic);
    if (known) return known;
    const state$ = readState(stateOptions(topic)).pipe(
      takeUntil(closing$),
      share({ connector: () => new ReplaySubject<unknown>(1), resetOnRefCountZero: false }),
    );
    states.set(topic, state$);
    return state$;
  };

  return {
    async publish(topic, { key, message, headers = {}, turn }) {
      if (!declared.has(topic)) throw unknownTopicFault(topic, [...declared.keys()]);
      if (isClosed) throw closedFault(name);
      const written = { key, ...(await codec.write(topic, message, headers)) };
      const record = topic === deadLettersTopic ? await letterOf(written, headers) : written;
      const place = turn === undefined ? {} : { partition: turn % options.numPartitions };
      const writer = writers.get(topic);
      if (writer) await writer.append(inCluster(topic), record);
      else await driver.append(inCluster(topic), [{ ...record, ...place }]);
    },

    subscribe<Topic extends TopicOf<Messages>>(subscription: Subscription<Topic>) {
      const { topic, consumerGroup, maxInFlight, onRepeat } = subscription;
      requireBound(`subscription of "${topic}"`, 'maxInFlight', maxInFlight);
      const { capacity } = require(topic, 'queue');
      const bury = async (record: LogRecord, reason: string, attempts: number) => {
        const { key, value, headers } = record;
        const why = { origin: topic, stage: consumerGroup, reason, attempts: String(attempts) };
        const letter = await letterOf({ key, value, headers }, why);
        await driver.append(inCluster(deadLettersTopic), [letter]);
      };
      const { names: own = [], startAt = {} } = options.ownGroups ?? {};
      const isOwn = own.includes(consumerGroup);
      const reader = `${topic}/${consumerGroup}`;
      const starts = Object.entries(startAt[reader] ?? {});
      return unlessClosed(() =>
        readQueue({
          driver,
          topic: inCluster(topic),
          consumerGroup: inCluster(`${topic}.${consumerGroup}`),
          maxInFlight,
          onRepeat,
          maxWaiting: capacity,
          maxAttempts,
          decode: decode(topic),
          deadLetter: topic === deadLettersTopic ? null : bury,
          startAt: isOwn
            ? new Map(starts.map(([partition, offset]) => [Number(partition), BigInt(offset)]))
            : null,
          onReading: (positions) => isOwn && readers.set(reader, positions),
          onLeaving,
        }),
      ) as Observable<Delivery<Messages[Topic]>>;
    },

    async readBack<Topic extends TopicOf<Messages>>(topic: Topic, take: (message: Messages[Topic]) => void) {
      require(topic, 'queue');
      if (isClosed) throw closedFault(name);
      await readToEnd(driver, inCluster(topic), async (record) => {
        try {
          take((await decode(topic)(record)) as Messages[Topic]);
        } catch (error) {
          if (!(error instanceof TributaryError)) throw error;
        }
      });
    },

    latest<Topic extends TopicOf<Messages>>(topic: Topic) {
      require(topic, 'broadcast');
      return unlessClosed(() => stateOf(topic)) as Observable<Messages[Topic]>;
    },

    async newest<Topic extends TopicOf<Messages>>(topic: Topic) {
      require(topic, 'broadcast');
      if (isClosed) throw closedFault(name);
      return (await readNewestState(stateOptions(topic))) as Messages[Topic] | null;
    },

    positions() {
      const written = ([reader, positions]: [string, () => ReadonlyMap<number, bigint>]) => [
        reader,
        Object.fromEntries(Array.from(positions(), ([partition, offset]) => [partition, String(offset)])),
      ];
      return Object.fromEntries(Array.from(readers, written));
    },

    async takeTopics(name, taken) {
      const writer = await driver.openExclusiveWriter(`${prefix}.${name}`);
      for (const topic of taken) writers.set(topic, writer);
    },

    async close() {
      if (isClosed) return;
      isClosed = true;
      closing$.next();
      await Promise.all(leaving);
      await Promise.all(Array.from(new Set(writers.values()), (writer) => writer.close()));
      await driver.close();
    },
  };
}

function planOf<Messages>(
  { kind }: TopicDeclaration,
  topic: string,
  { numPartitions, maxMessageBytes, replicationFactor, retentionHours }: KafkaTransportOptions<Messages>,
): TopicPlan {
  return {
    topic,
    numPartitions: kind === 'queue' ? numPartitions : 1,
    cleanupPolicy: kind === 'queue' ? 'delete' : 'compact',
    maxMessageBytes,
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
    ...(retentionHours === undefined || kind !== 'queue' ? {} : { retentionHours }),
  };
}
