import {
  asyncScheduler,
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  merge,
  type Observable,
  type OperatorFunction,
  type SchedulerLike,
  Subject,
  Subscription,
  tap,
} from 'rxjs';
import { overflowError } from './checks/faults.js';
import type { PromptTicket } from './records/records.js';

export interface BatchOptions {
  /** Groups rolled out together, at least 1. */
  readonly groupsPerBatch: number;
  /** Longest wait of the oldest ticket for a full batch, in milliseconds; null waits without limit. */
  readonly lingerMs: number | null;
  /** Most tickets that wait, at least `groupsPerBatch`. */
  readonly maxQueued: number;
  /** Times `lingerMs`. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Whether a ticket is no longer wanted, because its round is closed; it is dropped. Default: never. */
  readonly isOver?: (ticket: PromptTicket) => boolean;
}

/**
 * Runs tickets in batches of one round, one batch at a time. Like `bufferCount` and `concatMap`, but a batch
 * keeps growing while the one before it runs.
 *
 * ```
 * source  a-b-c----d---|      groupsPerBatch 2, lingerMs 4
 * [ab]      --r|
 * [c]             --r|        c has waited alone from column 4 to 8
 * [d]                  --r|   the source is complete
 * result  ----r-----r----r|
 * ```
 *
 * Time: see `branchRollouts`. Tickets that are no longer wanted are dropped when a batch could start, or when there is no
 * room.
 *
 * Errors: TRIB_OVERFLOW when one more ticket would have to wait.
 */
export function batchTickets<Out>(
  options: BatchOptions & { readonly run: (tickets: readonly PromptTicket[]) => Observable<Out> },
): OperatorFunction<PromptTicket, Out> {
  const { groupsPerBatch, lingerMs, maxQueued, run } = options;
  const { scheduler = asyncScheduler, isOver = () => false } = options;
  return (source) =>
    defer(() => {
      const queue: PromptTicket[] = [];
      const batches = new Subject<readonly PromptTicket[]>();
      let timer = Subscription.EMPTY;
      let isBusy = false;
      let isOverdue = false;
      let isSourceDone = false;

      const startTimer = (): void => {
        if (lingerMs === null || queue.length === 0) return;
        timer = scheduler.schedule(() => {
          isOverdue = true;
          startBatch();
        }, lingerMs);
      };
      const dropOver = (): void => {
        const oldest = queue[0];
        const kept = queue.filter((ticket) => !isOver(ticket));
        if (kept.length === queue.length) return;
        queue.splice(0, queue.length, ...kept);
        if (queue[0] === oldest) return;
        timer.unsubscribe();
        isOverdue = false;
        startTimer();
      };
      const startBatch = (): void => {
        if (isBusy) return;
        dropOver();
        if (queue.length === 0) {
          if (isSourceDone) batches.complete();
          return;
        }
        const head = headBatch(queue, groupsPerBatch);
        if (!(head.isClosed || isOverdue || isSourceDone)) return;
        timer.unsubscribe();
        isOverdue = false;
        isBusy = true;
        const tickets = queue.splice(0, head.size);
        startTimer();
        batches.next(tickets);
      };
      const enqueue = (ticket: PromptTicket): void => {
        queue.push(ticket);
        if (queue.length === 1) startTimer();
        startBatch();
        if (queue.length > maxQueued) dropOver();
        if (queue.length > maxQueued) {
          throw overflowError('branchRollouts queue', `${maxQueued} waiting`, 'maxQueued');
        }
      };
      const finish = (): void => {
        isSourceDone = true;
        startBatch();
      };
      const startNext$ = defer(() => {
        isBusy = false;
        startBatch();
        return EMPTY;
      });
      return merge(
        batches.pipe(concatMap((tickets) => concat(run(tickets), startNext$))),
        source.pipe(tap({ next: enqueue, complete: finish }), ignoreElements()),
      ).pipe(finalize(() => timer.unsubscribe()));
    });
}

/** The batch that starts with the oldest ticket: at most `groupsPerBatch` of one round; if closed, no later one can join. */
function headBatch(queue: readonly PromptTicket[], groupsPerBatch: number) {
  const nextRound = queue.findIndex(({ round }) => round !== queue[0]?.round);
  const size = Math.min(nextRound === -1 ? queue.length : nextRound, groupsPerBatch);
  return { size, isClosed: size === groupsPerBatch || nextRound !== -1 };
}
