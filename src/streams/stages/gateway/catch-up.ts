import {
  defaultIfEmpty,
  defer,
  filter,
  map,
  type Observable,
  of,
  type SchedulerLike,
  take,
  takeUntil,
  timer,
} from 'rxjs';
import { isGatewayGroup } from '../../messages/people.js';
import type { ServedGroup } from './desk.js';
import type { GroupBook } from './group-book.js';

interface CatchUpOptions {
  readonly book: GroupBook;
  /** Milliseconds to wait, at most; 0 where no other gateway can be ahead of this one. */
  readonly withinMs: number;
  readonly scheduler: SchedulerLike;
}

/** Emits once when `isKnown` holds of a group, at once if it does already, or when there was time enough for it. */
export type CatchUp = (id: string, isKnown: (group: ServedGroup) => boolean) => Observable<undefined>;

/**
 * Returns what waits for the topics that every gateway reads: each reads them at its own pace, so one that has just begun, or
 * was away, may be asked for what it has not read yet.
 *
 * Time: holds a timer for each call. Unsubscribing releases it.
 */
export function catchUp({ book, withinMs, scheduler }: CatchUpOptions): CatchUp {
  return (id, isKnown) =>
    defer(() => {
      const group = book.find(id);
      if (withinMs === 0 || !isGatewayGroup(id) || (group && isKnown(group))) return of(undefined);
      return book.changed$.pipe(
        filter((changed) => changed.id === id && isKnown(changed)),
        take(1),
        takeUntil(timer(withinMs, scheduler)),
        map(() => undefined),
        defaultIfEmpty(undefined),
      );
    });
}
