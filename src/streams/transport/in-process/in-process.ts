import { BehaviorSubject, defer, filter, map, type Observable } from 'rxjs';
import { TributaryError } from '../../../errors.js';
import type {
  Delivery,
  Envelope,
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
import { processName } from '../process-name.js';
import { InProcessQueueTopic } from './queue-topic.js';

interface InProcessTransportOptions<Messages> {
  /** Every topic that will be used, each declared once. */
  readonly topics: readonly (TopicDeclaration & { readonly name: TopicOf<Messages> })[];
  /** Deliveries of a message to one consumer group until it becomes a dead letter; an integer >= 1. */
  readonly maxAttempts: number;
  /** The declared queue topic that takes the dead letters. */
  readonly deadLettersTopic: TopicOf<Messages>;
  /** Hears of every dead letter. */
  readonly onDeadLetter?: OnDeadLetter | undefined;
}

const NAME = 'in-process';

/**
 * Creates a transport inside this process. It keeps all promises of `Transport` but is not durable: its messages end with the
 * process. Messages are passed by reference, and no timer, file or socket is kept open.
 *
 * Time: a message is delivered inside the call that makes this possible: `publish`, `ack` or the subscription. A redelivery
 * after `nack` comes in a later turn of the event loop.
 *
 * Memory: per queue topic `capacity` waiting messages, and `maxInFlight` unanswered ones per subscriber; per
 * broadcast topic one message.
 *
 * Errors: TRIB_TRANSPORT for a bound that is not an integer >= 1, a topic declared twice, or a dead-letters topic
 * that is not a declared queue.
 */
export function createInProcessTransport<Messages extends object>(
  options: InProcessTransportOptions<Messages>,
): Transport<Messages> {
  const { queues, broadcasts, queueNamed, broadcastNamed } = declareTopics(options);
  let isClosed = false;
  const requireOpen = () => {
    if (isClosed) throw closedFault(NAME);
  };
  return {
    async publish(topic, envelope) {
      const broadcast = broadcasts.get(topic);
      if (!broadcast) {
        if (topic === options.deadLettersTopic) options.onDeadLetter?.(envelope.headers ?? {});
        return queueNamed(topic).publish(envelope);
      }
      requireOpen();
      broadcast.next({ message: envelope.message });
    },

    subscribe<Topic extends TopicOf<Messages>>(subscription: Subscription<Topic>) {
      const { topic, consumerGroup, maxInFlight, onRepeat } = subscription;
      requireBound(`subscription of "${topic}"`, 'maxInFlight', maxInFlight);
      // What was published under `Topic` is what comes out of it, so the type can be given back here.
      return queueNamed(topic).subscribe(consumerGroup, { maxInFlight, onRepeat }) as Observable<
        Delivery<Messages[Topic]>
      >;
    },

    async readBack(topic) {
      queueNamed(topic);
      requireOpen();
    },

    latest<Topic extends TopicOf<Messages>>(topic: Topic) {
      const published$ = broadcastNamed(topic).pipe(
        filter((published) => published !== null),
        map(({ message }) => message),
      );
      return defer(() => {
        requireOpen();
        return published$;
      }) as Observable<Messages[Topic]>;
    },

    async newest<Topic extends TopicOf<Messages>>(topic: Topic) {
      const { value: published } = broadcastNamed(topic);
      requireOpen();
      return published === null ? null : (published.message as Messages[Topic]);
    },

    async readers(topic, consumerGroup) {
      const count = queueNamed(topic).numReaders(consumerGroup);
      requireOpen();
      return new Array<string>(count).fill(processName());
    },

    async unanswered(topic, consumerGroup) {
      const count = queueNamed(topic).numUnanswered(consumerGroup);
      requireOpen();
      return count;
    },

    async close() {
      if (isClosed) return;
      isClosed = true;
      for (const queue of queues.values()) queue.close();
      for (const broadcast of broadcasts.values()) broadcast.complete();
    },
  };
}

type Broadcast = BehaviorSubject<{ readonly message: unknown } | null>;

/** Makes the topics, and what looks them up by name and kind. */
function declareTopics<Messages>({
  topics,
  maxAttempts,
  deadLettersTopic,
  onDeadLetter,
}: InProcessTransportOptions<Messages>) {
  requireBound('transport', 'maxAttempts', maxAttempts);
  const queues = new Map<string, InProcessQueueTopic>();
  const broadcasts = new Map<string, Broadcast>();
  const names = topics.map((topic) => topic.name);
  const queueNamed = (topic: string): InProcessQueueTopic => {
    const queue = queues.get(topic);
    if (queue) return queue;
    throw broadcasts.has(topic) ? topicKindFault(topic, 'queue') : unknownTopicFault(topic, names);
  };
  const broadcastNamed = (topic: string): Broadcast => {
    const broadcast = broadcasts.get(topic);
    if (broadcast) return broadcast;
    queueNamed(topic);
    throw topicKindFault(topic, 'broadcast');
  };
  const deadLetter = (envelope: Envelope<unknown>) => {
    onDeadLetter?.(envelope.headers ?? {});
    return queueNamed(deadLettersTopic).publish(envelope);
  };
  for (const topic of topics) {
    const { name } = topic;
    if (queues.has(name) || broadcasts.has(name)) throw declaredTwice(name);
    if (topic.kind === 'broadcast') {
      broadcasts.set(name, new BehaviorSubject<{ readonly message: unknown } | null>(null));
      continue;
    }
    const { capacity } = topic;
    requireBound(`topic "${name}"`, 'capacity', capacity);
    const closed = () => closedFault(NAME);
    const letters = name === deadLettersTopic ? {} : { deadLetter };
    queues.set(name, new InProcessQueueTopic({ name, capacity, maxAttempts, closed, ...letters }));
  }
  queueNamed(deadLettersTopic);
  return { queues, broadcasts, queueNamed, broadcastNamed };
}

function declaredTwice(topic: string): TributaryError {
  return new TributaryError(
    'TRIB_TRANSPORT',
    `topic "${topic}": expected one declaration, got two. Remove one.`,
  );
}
