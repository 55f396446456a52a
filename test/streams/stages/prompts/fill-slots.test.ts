import fc from 'fast-check';
import { NEVER, of, Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { fillSlots } from '../../../../src/streams/stages/prompts/fill-slots.js';
import type { Slot } from '../../../../src/streams/stages/prompts/slots.js';
import { marbles } from '../../../operators/marbles.js';
import { describeOperator } from '../../../operators/operator-contract.js';

/** Two groups a round. */
const slot = (groupIndex: number): Slot => {
  const round = Math.floor(groupIndex / 2);
  return { groupId: `${round}-${groupIndex % 2}`, groupIndex, round };
};
const slots = { 0: slot(0), 1: slot(1), 2: slot(2), 3: slot(3) };
const counts = { 0: 0, 2: 2, 4: 4 };

describeOperator('fillSlots', {
  create: () => fillSlots({ items$: of('a', 'b', 'c'), closedGroups$: NEVER }),
  inputs: slots,
  outputs: { x: [slots[0], 'a'] as const, y: [slots[1], 'b'] as const },
  source: '-0--1--|',
  result: '-x--y--|',
  synchronous: [slots[0]],
});

describe('fillSlots', () => {
  it('should drop the slots of a stage that is closed, and no item', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const closedGroups$ = cold('0-----2---------', counts);
      const items$ = cold('       ---a----b-c-----');
      const slots$ = cold('       (01)----(23)---|', slots);
      const expected = '          ---x----y-z----|';
      const values = { x: [slots[0], 'a'], y: [slots[2], 'b'], z: [slots[3], 'c'] };
      expectObservable(slots$.pipe(fillSlots({ items$, closedGroups$ }))).toBe(expected, values);
      for (const { subscriptions } of [closedGroups$, items$, slots$])
        expectSubscriptions(subscriptions).toBe('^--------------!');
    }));

  it('should drop slots of a stage that was closed before they came', () =>
    marbles(({ cold, expectObservable }) => {
      const closedGroups$ = cold('2---------', counts);
      const items$ = cold('       a---------');
      const slots$ = cold('       ---0-1-2-3', slots);
      const expected = '          -------x--';
      const values = { x: [slots[2], 'a'] };
      expectObservable(slots$.pipe(fillSlots({ items$, closedGroups$ }))).toBe(expected, values);
    }));

  it('should complete when the last slot is filled, or closed', () =>
    marbles(({ cold, expectObservable }) => {
      const closedGroups$ = cold('0-----2--', counts);
      const slots$ = cold('       (01)|    ', slots);
      const filled$ = slots$.pipe(fillSlots({ items$: cold('-a-b'), closedGroups$ }));
      expectObservable(filled$).toBe('-x-y|', { x: [slots[0], 'a'], y: [slots[1], 'b'] });
      const closed$ = slots$.pipe(fillSlots({ items$: cold('-a---'), closedGroups$ }));
      expectObservable(closed$).toBe('-x----|', { x: [slots[0], 'a'] });
    }));

  it('should ignore a count that falls back', () =>
    marbles(({ cold, expectObservable }) => {
      const closedGroups$ = cold('20--------', counts);
      const slots$ = cold('       --0-2-----', slots);
      const result$ = slots$.pipe(fillSlots({ items$: of('a'), closedGroups$ }));
      expectObservable(result$).toBe('----x-----', { x: [slots[2], 'a'] });
    }));

  it('should err with the items and with the counts', () =>
    marbles(({ cold, expectObservable }) => {
      const silent$ = cold<never>('---');
      const slots$ = cold('0--', slots);
      const failing$ = cold<never>('-#');
      expectObservable(slots$.pipe(fillSlots({ items$: failing$, closedGroups$: silent$ }))).toBe('-#');
      expectObservable(slots$.pipe(fillSlots({ items$: silent$, closedGroups$: failing$ }))).toBe('-#');
    }));

  it('should lose no item and fill no closed slot, whatever comes when', () => {
    const event = fc.constantFrom('slot', 'item', 'close');
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const [slots$, items$, closedGroups$] = [
          new Subject<Slot>(),
          new Subject<number>(),
          new Subject<number>(),
        ];
        let [numSlots, numItems, numClosed] = [0, 0, 0];
        const filled: number[] = [];
        slots$.pipe(fillSlots({ items$, closedGroups$ })).subscribe(([{ groupIndex }, item]) => {
          expect(groupIndex).toBeGreaterThanOrEqual(numClosed);
          expect(item).toBe(filled.length);
          expect(groupIndex).toBeGreaterThan(filled.at(-1) ?? -1);
          filled.push(groupIndex);
        });
        for (const kind of events) {
          if (kind === 'slot') slots$.next(slot(numSlots++));
          else if (kind === 'item') items$.next(numItems++);
          else {
            numClosed += 2;
            closedGroups$.next(numClosed);
          }
        }
        // Open slots for all that wait.
        numSlots = Math.max(numSlots, numClosed);
        while (filled.length < numItems) slots$.next(slot(numSlots++));
      }),
    );
  });
});
