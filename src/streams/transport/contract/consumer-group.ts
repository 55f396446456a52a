import type { Subscriber } from 'rxjs';
import type { Delivery, Headers } from './transport.js';

/** A message that a topic has accepted, shared by all its consumer groups. */
export interface Entry {
  /** Position in the topic, to which a redelivered message returns. */
  readonly sequence: number;
  readonly key: string;
  readonly message: unknown;
  readonly headers: Headers;
}

interface WaitingEntry {
  readonly entry: Entry;
  readonly nacks: number;
}

/** The settings of a member: see `Subscription`. */
export interface Membership {
  readonly maxInFlight: number;
  readonly onRepeat?: (() => void) | undefined;
}

interface Member extends Membership {
  readonly subscriber: Subscriber<Delivery<unknown>>;
  readonly unanswered: Set<WaitingEntry>;
}

interface ConsumerGroupEvents {
  /** The group is done with an entry for good. */
  readonly onSettled: (entry: Entry) => void;
  /** Messages have been delivered, so fewer wait. */
  readonly onRoom: () => void;
  /** The group refused an entry for the `nacks`-th time. True: deliver it again. False: the topic takes it over. */
  readonly onNack: (entry: Entry, nacks: number, reason: string) => boolean;
  /**
   * The group will not deliver an entry because it holds others of the key, oldest first. Returns what to settle with the
   * first of those; null if the topic is done with the entry at once. What is kept must not grow with the number of repeats:
   * anyone may write them without end.
   */
  readonly onRepeat: (entry: Entry, held: readonly Entry[]) => Entry | null;
}

/** FNV-1a, 32 bits: spreads keys over members the same way in every process. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * One consumer group of one queue topic: what waits for it, which keys are in flight, and at which member. A key goes to the
 * member that its hash names. While one of its messages is unanswered the later ones wait, so order per key survives
 * redelivery and changes of membership.
 */
export class ConsumerGroup {
  readonly #waiting: WaitingEntry[] = [];
  readonly #members: Member[] = [];
  /** By key, the unanswered entry. */
  readonly #inFlight = new Map<string, Entry>();
  /** By key, what is settled with the unanswered entry. */
  readonly #repeats = new Map<string, Entry[]>();
  #isPumping = false;

  constructor(
    held: Iterable<Entry>,
    private readonly events: ConsumerGroupEvents,
  ) {
    for (const entry of held) this.#waiting.push({ entry, nacks: 0 });
  }

  get numMembers(): number {
    return this.#members.length;
  }

  get numWaiting(): number {
    return this.#waiting.length;
  }

  /** Waiting or delivered. */
  get numUnanswered(): number {
    return this.#waiting.length + this.#inFlight.size;
  }

  offer(entry: Entry): void {
    this.#waiting.push({ entry, nacks: 0 });
    this.#pump();
  }

  /** Adds a member. The returned function removes it and gives its unanswered messages to the others. */
  join(subscriber: Subscriber<Delivery<unknown>>, membership: Membership): () => void {
    const member: Member = { ...membership, subscriber, unanswered: new Set() };
    this.#members.push(member);
    this.#pump();
    return () => {
      this.#members.splice(this.#members.indexOf(member), 1);
      for (const waiting of member.unanswered) {
        this.#inFlight.delete(waiting.entry.key);
        this.#putBack(waiting);
      }
      member.unanswered.clear();
      this.#pump();
    };
  }

  /** Forgets waiting entries and repeats that are no longer this group's; unanswered ones stay until they are answered. */
  withdraw(isGone: (entry: Entry) => boolean): void {
    for (const [key, repeats] of this.#repeats)
      this.#repeats.set(
        key,
        repeats.filter((entry) => !isGone(entry)),
      );
    const kept = this.#waiting.filter(({ entry }) => !isGone(entry));
    this.#waiting.splice(0, this.#waiting.length, ...kept);
  }

  complete(): void {
    this.#waiting.length = 0;
    this.#repeats.clear();
    for (const { subscriber, unanswered } of [...this.#members]) {
      unanswered.clear();
      subscriber.complete();
    }
  }

  #putBack(waiting: WaitingEntry): void {
    const later = this.#waiting.findIndex((other) => other.entry.sequence > waiting.entry.sequence);
    this.#waiting.splice(later < 0 ? this.#waiting.length : later, 0, waiting);
  }

  /** Delivers all that can be delivered. An answer inside a delivery is handled by the loop that is already running. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    this.#makeRoom();
    for (let next = this.#takeNext(); next; next = this.#takeNext()) {
      next.member.subscriber.next(this.#deliver(next.member, next.waiting));
      this.events.onRoom();
      this.#makeRoom();
    }
    this.#isPumping = false;
  }

  /** Removing repeats makes room for others. */
  #makeRoom(): void {
    while (this.#setRepeatsAside()) this.events.onRoom();
  }

  /** Removes entries that wait behind one of their key if their member wants no repeats. */
  #setRepeatsAside(): boolean {
    let isAny = false;
    for (const waiting of [...this.#waiting]) {
      const { entry } = waiting;
      const held = this.#inFlight.get(entry.key);
      const onRepeat = held && this.#memberOf(entry.key)?.onRepeat;
      if (!onRepeat) continue;
      isAny = true;
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      const repeats = this.#repeats.get(entry.key) ?? [];
      const kept = this.events.onRepeat(entry, [held, ...repeats]);
      if (kept) this.#repeats.set(entry.key, [...repeats, kept]);
      onRepeat();
    }
    return isAny;
  }

  #settleRepeats(key: string): void {
    for (const entry of this.#repeats.get(key) ?? []) this.events.onSettled(entry);
    this.#repeats.delete(key);
  }

  #memberOf(key: string): Member | undefined {
    return this.#members[hashOf(key) % this.#members.length];
  }

  #takeNext(): { member: Member; waiting: WaitingEntry } | undefined {
    if (this.#members.every((member) => member.unanswered.size >= member.maxInFlight)) return undefined;
    for (const [index, waiting] of this.#waiting.entries()) {
      if (this.#inFlight.has(waiting.entry.key)) continue;
      const member = this.#memberOf(waiting.entry.key);
      if (!member || member.unanswered.size >= member.maxInFlight) continue;
      this.#waiting.splice(index, 1);
      this.#inFlight.set(waiting.entry.key, waiting.entry);
      member.unanswered.add(waiting);
      return { member, waiting };
    }
    return undefined;
  }

  #deliver(member: Member, waiting: WaitingEntry): Delivery<unknown> {
    const { entry, nacks } = waiting;
    const answer = (settle: () => void) => {
      if (!member.unanswered.delete(waiting)) return;
      this.#inFlight.delete(entry.key);
      settle();
    };
    return {
      message: entry.message,
      key: entry.key,
      headers: entry.headers,
      attempt: nacks + 1,
      ack: () =>
        answer(() => {
          this.events.onSettled(entry);
          this.#settleRepeats(entry.key);
          this.#pump();
        }),
      nack: (reason) =>
        answer(() => {
          if (this.events.onNack(entry, nacks + 1, reason)) this.#putBack({ entry, nacks: nacks + 1 });
          else this.#settleRepeats(entry.key);
          // A consumer that refuses at once must not keep the event loop to itself.
          setImmediate(() => this.#pump());
        }),
    };
  }
}
