import { Observable } from 'rxjs';
import type { TributaryError } from '../../../errors.js';
import { ConsumerGroup, type Entry, type Membership } from '../contract/consumer-group.js';
import type { Delivery, Envelope, Headers } from '../contract/transport.js';

interface WaitingPublisher {
  readonly envelope: Envelope<unknown>;
  readonly accepted: () => void;
  readonly rejected: (fault: TributaryError) => void;
}

interface QueueTopicOptions {
  readonly name: string;
  readonly capacity: number;
  readonly maxAttempts: number;
  /** Where a message goes after its last attempt; absent for the dead-letters topic itself. */
  readonly deadLetter?: (envelope: Envelope<unknown>) => Promise<void>;
  /** The error for calls after the topic is closed. */
  readonly closed: () => TributaryError;
}

/** A bounded queue in memory for any number of consumer groups. It keeps the promises of `Transport`. */
export class InProcessQueueTopic {
  readonly #groups = new Map<string, ConsumerGroup>();
  /** Messages that some group has not settled, with the number of such groups; 0 while there is no group. */
  readonly #held = new Map<Entry, number>();
  readonly #publishers: WaitingPublisher[] = [];
  #nextSequence = 0;
  #isAdmitting = false;
  #isClosed = false;

  constructor(private readonly options: QueueTopicOptions) {}

  publish(envelope: Envelope<unknown>): Promise<void> {
    if (this.#isClosed) return Promise.reject(this.options.closed());
    return new Promise((accepted, rejected) => {
      this.#publishers.push({ envelope, accepted, rejected });
      this.#admit();
    });
  }

  subscribe(consumerGroup: string, membership: Membership): Observable<Delivery<unknown>> {
    return new Observable((subscriber) => {
      if (this.#isClosed) {
        subscriber.error(this.options.closed());
        return undefined;
      }
      return this.#groupNamed(consumerGroup).join(subscriber, membership);
    });
  }

  numReaders(consumerGroup: string): number {
    return this.#groups.get(consumerGroup)?.numMembers ?? 0;
  }

  /** A group that is new will get all that is held. */
  numUnanswered(consumerGroup: string): number {
    return this.#groups.get(consumerGroup)?.numUnanswered ?? this.#held.size;
  }

  close(): void {
    this.#isClosed = true;
    for (const { rejected } of this.#publishers.splice(0)) rejected(this.options.closed());
    for (const group of this.#groups.values()) group.complete();
    this.#held.clear();
  }

  #groupNamed(name: string): ConsumerGroup {
    const known = this.#groups.get(name);
    if (known) return known;
    const group = new ConsumerGroup(this.#held.keys(), {
      onSettled: (entry) => this.#settle(entry),
      onRoom: () => this.#admit(),
      onNack: (entry, nacks, reason) => this.#refuse(name, entry, nacks, reason),
      // Nothing in memory comes twice: a repeat is another message, and can be settled by itself.
      onRepeat: (entry) => {
        this.#settle(entry);
        return null;
      },
    });
    for (const [entry, numGroups] of this.#held) this.#held.set(entry, numGroups + 1);
    this.#groups.set(name, group);
    return group;
  }

  #settle(entry: Entry): void {
    const numGroups = (this.#held.get(entry) ?? 0) - 1;
    if (numGroups > 0) this.#held.set(entry, numGroups);
    else this.#held.delete(entry);
    this.#admit();
  }

  #refuse(consumerGroup: string, entry: Entry, nacks: number, reason: string): boolean {
    const { name, maxAttempts, deadLetter } = this.options;
    if (!deadLetter || nacks < maxAttempts) return true;
    const headers: Headers = {
      ...entry.headers,
      origin: name,
      stage: consumerGroup,
      reason,
      attempts: String(nacks),
    };
    // The entry stays held until the dead letter is accepted. Only a closed transport rejects it, and that holds nothing.
    deadLetter({ key: entry.key, message: entry.message, headers }).then(
      () => this.#settle(entry),
      () => undefined,
    );
    return false;
  }

  #numWaiting(): number {
    if (this.#groups.size === 0) return this.#held.size;
    return Math.max(...[...this.#groups.values()].map((group) => group.numWaiting));
  }

  /** Accepts waiting publishers while there is room. A delivery that makes room calls this again; the outer loop handles it. */
  #admit(): void {
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    while (this.#numWaiting() < this.options.capacity) {
      const publisher = this.#publishers.shift();
      if (!publisher) break;
      const { key, message, headers = {} } = publisher.envelope;
      const entry: Entry = { sequence: this.#nextSequence++, key, message, headers };
      this.#held.set(entry, this.#groups.size);
      publisher.accepted();
      for (const group of this.#groups.values()) group.offer(entry);
    }
    this.#isAdmitting = false;
  }
}
