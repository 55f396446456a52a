import fc from 'fast-check';
import type { Subscription } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { Delivery, Transport } from '../../src/streams/transport/contract/transport.js';
import { createInProcessTransport } from '../../src/streams/transport/in-process/in-process.js';
import { CONTRACT_TOPICS, type ContractMessages } from './contract-parts.js';

const MAX_ATTEMPTS = 2;

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('publish' as const), choice: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('join' as const), choice: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), choice: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ack' as const), choice: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('nack' as const), choice: fc.nat(9) }) },
);

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What a consumer group must see: messages are numbered in the order of publishing, finished once they are settled. */
class ModelGroup {
  readonly finished = new Set<number>();
  readonly nacks = new Map<number, number>();
  readonly keys: string[] = [];
  readonly violations: string[] = [];
  readonly members: { subscription: Subscription; held: Delivery<unknown>[] }[] = [];

  constructor(private readonly transport: Transport<ContractMessages>) {}

  publish(key: string): Promise<void> {
    return this.transport.publish('work', { key, message: this.keys.push(key) - 1 });
  }

  join(maxInFlight: number): void {
    const held: Delivery<unknown>[] = [];
    const subscription = this.transport
      .subscribe({ topic: 'work', consumerGroup: 'group', maxInFlight })
      .subscribe((delivery) => {
        const message = delivery.message as number;
        const earliestOfKey = this.keys.findIndex((key, n) => key === delivery.key && !this.finished.has(n));
        held.push(delivery);
        // An exception here would go to RxJS's handler of last resort, not to the test.
        if (earliestOfKey !== message) this.violations.push(`${message} delivered, ${earliestOfKey} is due`);
        if (delivery.attempt !== 1 + (this.nacks.get(message) ?? 0))
          this.violations.push(`${message} miscounted`);
        if (held.length > maxInFlight) this.violations.push(`${held.length} of ${maxInFlight} in flight`);
      });
    this.members.push({ subscription, held });
  }

  leave(choice: number): void {
    const [member] = this.members.splice(choice % Math.max(this.members.length, 1), 1);
    member?.subscription.unsubscribe();
  }

  answer(kind: 'ack' | 'nack', choice: number): void {
    const busy = this.members.filter(({ held }) => held.length > 0);
    const held = busy[choice % Math.max(busy.length, 1)]?.held;
    const [delivery] = held?.splice(choice % held.length, 1) ?? [];
    if (!delivery) return;
    const message = delivery.message as number;
    const nacks = (this.nacks.get(message) ?? 0) + (kind === 'nack' ? 1 : 0);
    this.nacks.set(message, nacks);
    if (kind === 'ack' || nacks === MAX_ATTEMPTS) this.finished.add(message);
    if (kind === 'ack') delivery.ack();
    else delivery.nack('no');
  }

  async drain(): Promise<void> {
    while (this.members.length > 0) this.leave(0);
    this.join(1);
    for (let turn = 0; this.finished.size < this.keys.length && turn < 4 * this.keys.length; turn++) {
      this.answer('ack', 0);
      await nextTurn();
    }
  }
}

describe('in-process transport, whatever members do', () => {
  it('should settle every message, keep the order of a key, and never exceed maxInFlight', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const transport = createInProcessTransport<ContractMessages>({
          topics: CONTRACT_TOPICS,
          maxAttempts: MAX_ATTEMPTS,
          deadLettersTopic: 'dead-letters',
        });
        const deadLetters: unknown[] = [];
        transport
          .subscribe({ topic: 'dead-letters', consumerGroup: 'run', maxInFlight: 1 })
          .subscribe((delivery) => {
            deadLetters.push(delivery.message);
            delivery.ack();
          });
        const group = new ModelGroup(transport);
        const publishing: Promise<void>[] = [];
        for (const { kind, choice } of steps) {
          if (kind === 'publish') publishing.push(group.publish(`k${choice}`));
          else if (kind === 'join') group.join(choice + 1);
          else if (kind === 'leave') group.leave(choice);
          else group.answer(kind, choice);
          if (choice % 2 === 0) await nextTurn();
        }
        await group.drain();
        await Promise.all(publishing);
        expect(group.violations).toEqual([]);
        expect(group.finished.size).toBe(group.keys.length);
        const refused = [...group.nacks].filter(([, nacks]) => nacks === MAX_ATTEMPTS).map(([n]) => n);
        expect(deadLetters.sort()).toEqual(refused.sort());
        await transport.close();
      }),
      { numRuns: 150 },
    );
  });
});
