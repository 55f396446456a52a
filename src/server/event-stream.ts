/** @file Server-sent events for any number of readers, with a bound on what is kept for each. */

import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Observable, Subscription } from 'rxjs';
import { serverProblem } from './problem.js';

/** An event: its type is the name that readers listen to, all of it is its data. */
export interface ServedEvent {
  readonly type: string;
}

interface EventStreamOptions {
  /** Readers at once. Default: 200. */
  readonly maxReaders?: number;
  /** Events that a reader who was away gets afterwards. Default: 1000, and at most 1 MiB of them. */
  readonly kept?: number;
  /** Bytes that wait for one reader; who has more waiting is cut off. Default: 1 MiB. */
  readonly maxWaitingBytes?: number;
  /** Milliseconds between signs of life. Default: 15,000. */
  readonly beatMs?: number;
  /** Is told of each reader who is cut off. */
  readonly onSlowReader?: () => void;
}

const MOST_KEPT_BYTES = 2 ** 20;

/**
 * Passes the events of a source on to readers. Each gets all events from the moment it comes. One who names the last event that
 * it had gets those after it, or an event `reset` where they are no longer kept: then it has to read the state again.
 */
export class EventStream {
  readonly #options: Required<EventStreamOptions>;
  readonly #readers = new Set<Readable>();
  readonly #kept: { readonly number: number; readonly text: string }[] = [];
  #keptBytes = 0;
  /** Numbers of another process mean other events. */
  readonly #name = randomUUID().slice(0, 8);
  #number = 0;
  readonly #subscription: Subscription;
  readonly #beat: NodeJS.Timeout;

  constructor(source$: Observable<ServedEvent>, options: EventStreamOptions = {}) {
    this.#options = {
      maxReaders: 200,
      kept: 1000,
      maxWaitingBytes: 2 ** 20,
      beatMs: 15_000,
      onSlowReader: () => undefined,
      ...options,
    };
    this.#beat = setInterval(() => this.#write(': on\n\n'), this.#options.beatMs).unref();
    this.#subscription = source$.subscribe({
      next: (event) => this.#pass(event),
      complete: () => this.#endReaders(),
      error: () => this.#endReaders(),
    });
  }

  get numReaders(): number {
    return this.#readers.size;
  }

  /** Answers a request with the events from now on. Errors: the problem too-many-readers. */
  answer(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { 'last-event-id': last } = request.headers;
    return (
      reply
        .type('text/event-stream')
        .header('cache-control', 'no-store')
        // A proxy that gathers answers would hold the events back.
        .header('x-accel-buffering', 'no')
        .send(this.#open(typeof last === 'string' ? last : undefined))
    );
  }

  /** Ends all answers, and reads the source no more. */
  close(): void {
    clearInterval(this.#beat);
    this.#subscription.unsubscribe();
    this.#endReaders();
  }

  #open(lastId: string | undefined): Readable {
    if (this.#readers.size >= this.#options.maxReaders)
      throw serverProblem(
        'too-many-readers',
        `expected at most ${this.#options.maxReaders} readers of the events, got one more; try again later`,
        { 'retry-after': '5' },
      );
    const reader = new Readable({ read: () => undefined });
    this.#readers.add(reader);
    reader.once('close', () => this.#readers.delete(reader));
    reader.push(': follows\n\n');
    for (const text of lastId === undefined ? [] : this.#missedSince(lastId)) reader.push(text);
    return reader;
  }

  #missedSince(lastId: string): string[] {
    const [, name, number] = /^([0-9a-f]+)-(\d{1,15})$/.exec(lastId) ?? [];
    const since = Number(number);
    const first = this.#kept[0]?.number ?? this.#number + 1;
    if (name !== this.#name || since < first - 1 || since > this.#number)
      return [`id: ${this.#name}-${this.#number}\nevent: reset\ndata: {"type":"reset"}\n\n`];
    return this.#kept.filter((event) => event.number > since).map(({ text }) => text);
  }

  #pass(event: ServedEvent): void {
    this.#number += 1;
    // JSON has no line ends but those that it escapes.
    const text = `id: ${this.#name}-${this.#number}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    this.#kept.push({ number: this.#number, text });
    this.#keptBytes += text.length;
    while (this.#kept.length > this.#options.kept || this.#keptBytes > MOST_KEPT_BYTES)
      this.#keptBytes -= this.#kept.shift()?.text.length ?? 0;
    this.#write(text);
  }

  #write(text: string): void {
    for (const reader of this.#readers) {
      if (reader.readableLength + text.length <= this.#options.maxWaitingBytes) reader.push(text);
      else {
        this.#readers.delete(reader);
        this.#options.onSlowReader();
        reader.destroy(new Error('the reader of the events is too slow'));
      }
    }
  }

  #endReaders(): void {
    for (const reader of this.#readers) reader.push(null);
  }
}
