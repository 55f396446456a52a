/**
 * @file What carries the messages of the streams. All implementations keep the same promises, which
 * test/contracts/transport-contract.ts checks.
 */
import type { Observable } from 'rxjs';

/** Names and values that travel beside a message. */
export type Headers = Readonly<Record<string, string>>;

/** Work that is shared: every consumer group gets every message, and within a group one member does. */
interface QueueTopic {
  readonly name: string;
  readonly kind: 'queue';
  /** Messages that may wait in the slowest consumer group before `publish` waits; redelivered ones come on top. */
  readonly capacity: number;
  /** How long a log keeps a message, whoever has read it; default: as long as those of other queues. */
  readonly retentionHours?: number;
}

/** State of which only the newest value matters: every reader gets it, late readers too. */
interface BroadcastTopic {
  readonly name: string;
  readonly kind: 'broadcast';
}

export type TopicDeclaration = QueueTopic | BroadcastTopic;

/** A message on its way in. */
export interface Envelope<Message> {
  /** Order is kept among messages of one key. */
  readonly key: string;
  readonly message: Message;
  readonly headers?: Headers;
  /**
   * A number >= 0 that belongs to the key: a transport that would share out keys by their hash may use it, so that
   * consecutive numbers go to different members.
   */
  readonly turn?: number;
}

/** A message on its way out, which belongs to the transport until it is answered. */
export interface Delivery<Message> {
  readonly message: Message;
  readonly key: string;
  readonly headers: Headers;
  /** 1 + how often this consumer group has refused the message. A duplicate may say 1. */
  readonly attempt: number;
  /** The work is done: the message is not delivered to this consumer group again. */
  ack(): void;
  /** The work failed: the message is delivered again, or after `maxAttempts` becomes a dead letter. */
  nack(reason: string): void;
}

export interface Subscription<Topic extends string> {
  readonly topic: Topic;
  /** Members of one group share the topic's messages by key; each group sees all of them. */
  readonly consumerGroup: string;
  /** Deliveries that this subscriber may hold unanswered; an integer >= 1. */
  readonly maxInFlight: number;
  /**
   * For a reader that holds its messages for long and has no use for a second one of a key. If set, a message that comes
   * while the first of its key is unanswered is not delivered and takes neither room nor memory; it is settled with the
   * first, or before, and this is called. Default: it is delivered once the first is answered.
   */
  readonly onRepeat?: () => void;
}

/** Takes the headers of a message that this process gave up on: `origin`, `stage`, `reason`, and where it has one, `code`. */
export type OnDeadLetter = (headers: Headers) => void;

/** The topics that a map of message types declares. */
export type TopicOf<Messages> = keyof Messages & string;

/**
 * Carries messages between stages.
 *
 * Guarantee: at least once, in order per key, duplicates possible. An accepted message is delivered to each consumer group
 * until that group acknowledges it: again after `nack`, again when its subscriber leaves without an answer, again after a
 * crash if the transport is durable. A consumer group has at most one unanswered message of a key, so no message overtakes
 * another of its key, not even while that is redelivered. There is no order across keys. Effects must be idempotent by
 * message id.
 *
 * Consumer groups: a group begins with its first subscriber, at the oldest message that the topic still holds, and stays:
 * messages that are published while it has no member wait for the next one. A topic that no group has read yet holds its
 * messages for the first. Within a group a key belongs to one member at a time.
 *
 * Back-pressure: `publish` resolves once the message is accepted, and waits while the topic is at its capacity. Callers are
 * accepted in the order of their calls.
 *
 * Dead letters: at its `maxAttempts`-th nack a message moves to the dead-letters topic under its own key, with its headers
 * plus `origin` (topic), `stage` (consumer group), `reason` and `attempts`. It leaves its topic only once the dead letter is
 * accepted. Dead letters themselves are redelivered without a limit.
 *
 * Ownership: a message may be passed by reference, so neither side may change it after `publish`.
 *
 * Errors: TRIB_TRANSPORT, `retryable` if the same call can succeed later. An unknown topic, the wrong kind of topic or a bad
 * `maxInFlight` is thrown at the call (`publish` rejects); a closed transport rejects and errs.
 */
export interface Transport<Messages extends object> {
  /** Resolves when the message is accepted; on a broadcast topic it becomes the newest at once, without waiting. */
  publish<Topic extends TopicOf<Messages>>(topic: Topic, envelope: Envelope<Messages[Topic]>): Promise<void>;

  /**
   * Deliveries of a queue topic. Each subscriber of the returned stream is a member of its own. Completes when the transport
   * is closed; unsubscribing returns unanswered deliveries to the group, and later answers are ignored.
   */
  subscribe<Topic extends TopicOf<Messages>>(
    subscription: Subscription<Topic>,
  ): Observable<Delivery<Messages[Topic]>>;

  /**
   * Passes on everything that a queue topic still holds, acknowledged or not, and resolves at the end that it had when
   * called. A transport that dies with its process holds nothing.
   */
  readBack<Topic extends TopicOf<Messages>>(
    topic: Topic,
    take: (message: Messages[Topic]) => void,
  ): Promise<void>;

  /** Values of a broadcast topic: the newest so far, if any, then each newer one; a slow reader may miss some. */
  latest<Topic extends TopicOf<Messages>>(topic: Topic): Observable<Messages[Topic]>;

  /** The newest value of a broadcast topic now; null if none was published. */
  newest<Topic extends TopicOf<Messages>>(topic: Topic): Promise<Messages[Topic] | null>;

  /**
   * Names of the processes that read a queue topic for a consumer group now, once for each of their readers. Over a network,
   * one that died is named for some seconds more.
   */
  readers(topic: TopicOf<Messages>, consumerGroup: string): Promise<readonly string[]>;

  /** How many messages of a queue topic a consumer group has not answered now, delivered or not, in whichever process. */
  unanswered(topic: TopicOf<Messages>, consumerGroup: string): Promise<number>;

  /** Completes every stream, rejects waiting publishers and releases what is held. May be called twice. */
  close(): Promise<void>;
}
