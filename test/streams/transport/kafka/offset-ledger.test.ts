import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OffsetLedger } from '../../../../src/streams/transport/kafka/offset-ledger.js';

describe('OffsetLedger', () => {
  it('should stand at the lowest record that is not settled, or after the last one', () => {
    const ledger = new OffsetLedger();
    expect([5n, 6n, 9n].map((offset) => ledger.take(offset))).toEqual([true, true, true]);
    ledger.settle(6n);
    expect(ledger.lowWater).toBe(5n);
    ledger.settle(5n);
    expect(ledger.lowWater).toBe(9n);
    ledger.settle(9n);
    expect(ledger.lowWater).toBe(10n);
  });

  it('should take no record twice, settled or not', () => {
    const ledger = new OffsetLedger();
    ledger.take(3n);
    ledger.take(4n);
    ledger.settle(3n);
    expect([3n, 4n, 5n].map((offset) => ledger.take(offset))).toEqual([false, false, true]);
  });

  it('should never pass a record that is not settled, whatever comes again and in whatever order', () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('take' as const), at: fc.nat(30) }),
      fc.record({ kind: fc.constant('settle' as const), at: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
        const ledger = new OffsetLedger();
        const open = new Set<bigint>();
        let next = 0n;
        let before = 0n;
        for (const { kind, at } of actions) {
          const offset = BigInt(at);
          if (kind === 'take') {
            expect(ledger.take(offset)).toBe(offset >= next);
            if (offset >= next) open.add(offset);
            next = offset >= next ? offset + 1n : next;
          } else {
            ledger.settle(offset);
            open.delete(offset);
          }
          const lowest = [...open].sort((a, b) => Number(a - b))[0] ?? next;
          expect(ledger.lowWater).toBe(lowest);
          // What was committed stays true: nothing below it opens again.
          expect(ledger.lowWater >= before || open.has(ledger.lowWater)).toBe(true);
          before = ledger.lowWater;
        }
      }),
    );
  });
});
