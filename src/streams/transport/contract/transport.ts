/**
 * @file What the streams ask of whatever carries their messages. The same promises hold for every implementation;
 * test/contracts/transport-contract.ts is the proof that each one has to pass.
 */
import type { Observable } from 'rxjs';

/** Names and values that travel beside a message. */
export type Headers = Readonly<Record<string, string>>;

/** Work that is shared out: every consumer group sees every message, and within a group one member does. */
export interface QueueTopic {
  readonly name: string;
  readonly kind: 'queue';
  /** Messages that may wait undelivered, in the slowest consumer group, before `publish` waits; redelivered ones come on top. */
  readonly capacity: number;
}

/** State of which only the newest value matters: every reader sees it, late readers too. */
export interface BroadcastTopic {
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
   * A number >= 0 that the key always has: a transport that shares out keys by chance may go by it, so that messages of
   * consecutive numbers go to different members.
   */
  readonly turn?: number;
}

/** A message on its way out, which stays the transport's until it is answered. */
export interface Delivery<Message> {
  readonly message: Message;
  readonly key: string;
  readonly headers: Headers;
  /** 1 + the times this consumer group has refused the message. A duplicate may well say 1. */
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
   * For a reader that holds its messages long, and to which a second of a key is worth nothing: one that comes while the
   * first is unanswered is not delivered and takes no room, nor memory, however many come: it is done with when the first is,
   * or before. This hears of it. Default: it waits for the answer to the first, and is delivered then.
   */
  readonly onRepeat?: () => void;
}

/** The topics that a map of message types declares. */
export type TopicOf<Messages> = keyof Messages & string;

/**
 * Carries messages between stages.
 *
 * Guarantee: at least once, in order per key, duplicates possible. A message that was accepted is delivered to
 * each consumer group until that group acknowledges it: again after `nack`, again when its subscriber goes away
 * without an answer, again after a crash where the transport is durable. A consumer group has at most one unanswered
 * message of a key, so a message is never overtaken by a later one of its key, not even while it is redelivered.
 * Nothing holds across keys. Effects must therefore be idempotent by message id.
 *
 * **Consumer groups** come into being with their first subscriber, which starts at the oldest message that the topic
 * still holds, and stay: what is published while a group has no member waits for the next one. A topic that no group
 * has read yet holds its messages for the first. Within a group a key belongs to one member at a time.
 *
 * **Back-pressure**: `publish` resolves once the message is accepted, and waits while the topic is at its capacity;
 * callers are accepted in the order in which they called.
 *
 * **Dead letters**: at its `maxAttempts`-th nack a message moves to the dead-letters topic under its own key, with
 * its headers and `origin` (topic), `stage` (consumer group), `reason` and `attempts` beside them. It leaves its
 * topic only when the dead letter has been accepted. Dead letters themselves are redelivered without a limit.
 *
 * Ownership: a message may be passed by reference, so neither side may change it after `publish`.
 *
 * Errors: TRIB_TRANSPORT, `retryable` where the same call can succeed later. An unknown topic, the wrong kind of
 * topic or a bad `maxInFlight` is thrown at the call (`publish` rejects); a closed transport rejects and errs.
 */
export interface Transport<Messages extends object> {
  /** Resolves when the message is accepted; on a broadcast topic it becomes the newest at once, without waiting. */
  publish<Topic extends TopicOf<Messages>>(topic: Topic, envelope: Envelope<Messages[Topic]>): Promise<void>;

  /**
   * Deliveries of a queue topic. Each subscriber of the returned stream is a member of its own. Completes when the
   * transport is closed; unsubscribing returns unanswered deliveries to the group, and answers given later count for
   * nothing.
   */
  subscribe<Topic extends TopicOf<Messages>>(
    subscription: Subscription<Topic>,
  ): Observable<Delivery<Messages[Topic]>>;

  /**
   * Hands over what a queue topic holds of all that was ever published, whoever has acknowledged it, and resolves at the end
   * that it had when called. A transport that dies with its process holds nothing.
   */
  readBack<Topic extends TopicOf<Messages>>(
    topic: Topic,
    take: (message: Messages[Topic]) => void,
  ): Promise<void>;

  /** Values of a broadcast topic: the newest published so far, if any, then each newer one; a slow reader may miss some. */
  latest<Topic extends TopicOf<Messages>>(topic: Topic): Observable<Messages[Topic]>;

  /** The newest value of a broadcast topic as it stands now; null where none was published. */
  newest<Topic extends TopicOf<Messages>>(topic: Topic): Promise<Messages[Topic] | null>;

  /** Completes every stream, rejects waiting publishers and releases what is held. Closing twice is closing once. */
  close(): Promise<void>;
}
