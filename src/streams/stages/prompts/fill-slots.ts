import {
  defer,
  endWith,
  map,
  merge,
  mergeMap,
  type Observable,
  type OperatorFunction,
  takeWhile,
  tap,
} from 'rxjs';
import type { Slot } from './slots.js';
import { inOrder, type Waiting } from './waiting-prompts.js';

interface FillSlotsOptions<Item, Given> {
  /** What fills the slots. */
  readonly items$: Observable<Item>;
  /** Makes the place where items wait, which says which slot gets which. Default: first come, first served. */
  readonly createWaiting?: () => Waiting<Item, Given>;
  /** How many groups, counted from the first of the run, belong to rounds that are closed. */
  readonly closedGroups$: Observable<number>;
}

/**
 * Gives every slot the next item. Like `zip`, but a slot whose round is closed before an item comes is dropped,
 * and the item takes the next one; no item is ever dropped.
 *
 * ```
 * closed   0-----2------
 * items    ---a----b-c--
 * source   (01)----(23)|     slot 1 is closed before b comes
 * result   ---x----y-z|      x slot 0 with a, y slot 2 with b, z slot 3 with c
 * ```
 *
 * Time: emits when there is an open slot and an item. Completes when the source has completed and no slot waits. Errs with
 * the source, the items or the counts. A falling count is ignored. Holds the waiting slots and items: as many as admission
 * and the inbox let through. Unsubscribing releases all three.
 */
export function fillSlots<Item>(
  options: FillSlotsOptions<Item, Item>,
): OperatorFunction<Slot, readonly [Slot, Item]>;
export function fillSlots<Item, Given>(
  options: Required<FillSlotsOptions<Item, Given>>,
): OperatorFunction<Slot, readonly [Slot, Given]>;
export function fillSlots<Item>({
  items$,
  closedGroups$,
  createWaiting = inOrder<Item>,
}: FillSlotsOptions<Item, unknown>): OperatorFunction<Slot, readonly [Slot, unknown]> {
  return (slots$) =>
    defer(() => {
      const slots: Slot[] = [];
      const waiting = createWaiting();
      let closedGroups = 0;
      let isLastSlot = false;
      const filled = (): (readonly [Slot, unknown])[] => {
        const open = slots.findIndex(({ groupIndex }) => groupIndex >= closedGroups);
        slots.splice(0, open < 0 ? slots.length : open);
        if (slots.length === 0) return [];
        const given = waiting.give(slots);
        return slots.splice(0, given.length).map((slot, index) => [slot, given[index]]);
      };
      // The counts first: a slot that the same progress closes must take no item.
      return merge(
        closedGroups$.pipe(
          tap((count) => {
            closedGroups = Math.max(closedGroups, count);
          }),
        ),
        items$.pipe(tap((item) => waiting.add(item))),
        slots$.pipe(
          tap({
            next: (slot) => slots.push(slot),
            complete: () => {
              isLastSlot = true;
            },
          }),
          endWith(undefined),
        ),
      ).pipe(
        map(filled),
        takeWhile(() => !isLastSlot || slots.length > 0, true),
        mergeMap((pairs) => pairs),
      );
    });
}
