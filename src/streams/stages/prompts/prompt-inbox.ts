/** @file Incoming prompts on their way to a group: each waits here from the time it is accepted until its ticket is durable. */

import { EMPTY, mergeMap, type Observable, of } from 'rxjs';
import type { RewardNameFault } from '../../config/resolved/named-rewards.js';
import type { TopicMessages } from '../../messages/messages.js';
import { type IncomingPrompt, incomingFault } from '../../messages/prompts.js';
import type { Delivery, Transport } from '../../transport/contract/transport.js';
import { RecentIds } from './issued-tickets.js';

/** What became of prompts at the door. */
type Acceptance =
  /** They are durable in the topic. `waiting` includes them. */
  | { readonly kind: 'accepted'; readonly waiting: number }
  /** None was taken: more than `maxWaiting` would wait. */
  | { readonly kind: 'full'; readonly waiting: number }
  /** None was taken: the run needs no more prompts. */
  | { readonly kind: 'over' };

interface InboxOptions {
  readonly transport: Transport<TopicMessages>;
  /** Prompts that may wait to become groups. */
  readonly maxWaiting: number;
  /** The topic that prompts are read from. Default: `incoming-prompts`. */
  readonly topic?: string;
  /** The topic that accepted ones are written to. Default: the same. */
  readonly door?: string;
  /** The name of the source where there are several; it goes before the ids in tickets. */
  readonly source?: string;
  /** What else is wrong with a prompt, as a phrase. Default: nothing. */
  readonly faultOf?: RewardNameFault;
}

const INCOMING = 'incoming-prompts';

/**
 * Accepts incoming prompts and emits each id once.
 *
 * A prompt is acknowledged when its ticket is in the topic of tickets, which keeps it until its round is finished. A crash in
 * between brings the prompt back, and the id in the ticket says that it has a group.
 */
export class PromptInbox {
  readonly #options: InboxOptions;
  /** Accepted and not yet part of a ticket, with the moment from which they are durable. */
  readonly #waiting = new Map<string, Promise<void>>();
  /** Delivered, and not acknowledged yet. */
  readonly #deliveries = new Map<string, Delivery<IncomingPrompt>>();
  #sources = new RecentIds(1);
  #isOver = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** What the ticket of a prompt says about where it is from: its id, behind the name of its source if there are several. */
  sourceIdOf(id: string): string {
    const { source } = this.#options;
    return source === undefined ? id : `${source}/${id}`;
  }

  /** Prompts known to wait for a group; after a restart those in the topic are read again. */
  get numWaiting(): number {
    return this.#waiting.size;
  }

  get maxWaiting(): number {
    return this.#options.maxWaiting;
  }

  /** Returns why a prompt is refused, as a phrase `expected ..., got ...`; null if it is not. */
  faultOf(prompt: IncomingPrompt): string | null {
    return incomingFault(prompt) ?? this.#options.faultOf?.(prompt) ?? null;
  }

  /**
   * Publishes prompts. An id that waits already, or became a group recently, is accepted and not published again.
   *
   * Errors: TRIB_TRANSPORT; some of the prompts may have been accepted.
   */
  async accept(prompts: readonly IncomingPrompt[]): Promise<Acceptance> {
    if (this.#isOver) return { kind: 'over' };
    const fresh = new Map(prompts.map((prompt) => [prompt.id, prompt]));
    for (const id of fresh.keys()) {
      if (this.#waiting.has(id) || this.#sources.has(this.sourceIdOf(id))) fresh.delete(id);
    }
    if (this.#waiting.size + fresh.size > this.#options.maxWaiting)
      return { kind: 'full', waiting: this.#waiting.size };
    for (const [id, prompt] of fresh) this.#waiting.set(id, this.#publish(prompt));
    await Promise.all(prompts.map(({ id }) => this.#waiting.get(id)));
    return { kind: 'accepted', waiting: this.#waiting.size };
  }

  async #publish(message: IncomingPrompt): Promise<void> {
    // It must count as waiting before it is delivered, which the in-process transport does inside the call.
    await Promise.resolve();
    try {
      const { transport, topic = INCOMING, door = topic } = this.#options;
      // A topic of a source carries incoming prompts.
      await transport.publish(door as typeof INCOMING, { key: message.id, message });
      // Operator stages between may drop it.
      if (door !== topic && !this.#deliveries.has(message.id)) this.#waiting.delete(message.id);
    } catch (error) {
      this.#waiting.delete(message.id);
      throw error;
    }
  }

  /**
   * Emits the prompts of the topic that have no group yet, each id once.
   *
   * @param sources The ids that have become groups; the inbox adds to it.
   */
  receive(sources: RecentIds): Observable<IncomingPrompt> {
    this.#sources = sources;
    const { transport, maxWaiting, topic = INCOMING } = this.#options;
    return transport
      .subscribe({ topic: topic as typeof INCOMING, consumerGroup: 'prompts', maxInFlight: maxWaiting })
      .pipe(mergeMap((delivery) => this.#take(delivery)));
  }

  #take(delivery: Delivery<IncomingPrompt>): Observable<IncomingPrompt> {
    const { message, key } = delivery;
    const { id } = message;
    const fault = key === id ? this.faultOf(message) : 'expected the id as key, got another';
    if (fault !== null) delivery.nack(fault);
    // Delivered again while it waits: the new delivery is answered instead of the first.
    else if (this.#deliveries.has(id)) this.#deliveries.set(id, delivery);
    else if (this.#sources.has(this.sourceIdOf(id))) {
      this.#waiting.delete(id);
      delivery.ack();
    } else {
      this.#deliveries.set(id, delivery);
      if (!this.#waiting.has(id)) this.#waiting.set(id, Promise.resolve());
      return of(message);
    }
    return EMPTY;
  }

  /** The prompt becomes a group. */
  assign(id: string, groupIndex: number): void {
    this.#sources.add(this.sourceIdOf(id), groupIndex);
    this.#waiting.delete(id);
  }

  /** The ticket of the prompt is durable. */
  settle(id: string): void {
    this.#deliveries.get(id)?.ack();
    this.#deliveries.delete(id);
  }

  /** No more prompts are needed. */
  end(): void {
    this.#isOver = true;
  }
}
