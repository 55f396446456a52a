/** @file What tests of a transport take its messages with. */

import { filter, firstValueFrom, type Observable, Subject } from 'rxjs';
import { expect } from 'vitest';
import { TributaryError } from '../../src/errors.js';
import type { Delivery } from '../../src/streams/transport/contract/transport.js';

/** Records the deliveries of a stream and lets a test wait for the n-th one. */
export class Inbox {
  readonly received: Delivery<unknown>[] = [];
  isComplete = false;
  error: unknown;
  readonly #changed = new Subject<void>();
  readonly #subscription;

  constructor(deliveries: Observable<Delivery<unknown>>, onDelivery?: (delivery: Delivery<unknown>) => void) {
    this.#subscription = deliveries.subscribe({
      next: (delivery) => {
        this.received.push(delivery);
        onDelivery?.(delivery);
        this.#changed.next();
      },
      complete: () => {
        this.isComplete = true;
        this.#changed.next();
      },
      error: (error: unknown) => {
        this.error = error;
      },
    });
  }

  async until(condition: () => boolean): Promise<void> {
    if (!condition()) await firstValueFrom(this.#changed.pipe(filter(condition)));
  }

  /** Waits for the delivery with this index, counted from 0. */
  async delivery(index: number): Promise<Delivery<unknown>> {
    await this.until(() => this.received.length > index);
    return this.received[index] as Delivery<unknown>;
  }

  get messages(): unknown[] {
    return this.received.map(({ message }) => message);
  }

  leave(): void {
    this.#subscription.unsubscribe();
  }
}

export const ackAtOnce = (delivery: Delivery<unknown>) => delivery.ack();

/** Gives whatever is under way the chance to finish, so that "it still waits" means something. */
export const turnOfTheEventLoop = () => new Promise<void>((resolve) => setImmediate(resolve));

export async function codedFault(work: () => unknown): Promise<TributaryError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(TributaryError);
    return error as TributaryError;
  }
  throw new Error('expected a fault, got none');
}

export const codedFaultOrAccepted = (publishing: Promise<void>): Promise<string> =>
  publishing.then(
    () => 'accepted',
    (error: unknown) => (error as TributaryError).code,
  );
