import { distinct, type OperatorFunction, type SchedulerLike, take, takeUntil, timer, toArray } from 'rxjs';

interface GatherOptions {
  /** Gateways whose answers are waited for. */
  readonly others: number;
  readonly withinMs: number;
  readonly scheduler: SchedulerLike;
}

/**
 * Gathers the answers to a question: one of each gateway.
 *
 * ```
 * source  -a-a-b---      others 2
 * result  -----(x|)      x: [a, b]
 * ```
 *
 * Time: emits once, when all have answered, when the time is over, or when the source ends; at once where there are no others.
 * Holds as many answers as there are others. Unsubscribing releases the timer.
 */
export function gatherAnswers<Answer extends { readonly gateway: string }>({
  others,
  withinMs,
  scheduler,
}: GatherOptions): OperatorFunction<Answer, Answer[]> {
  return (answers$) =>
    answers$.pipe(
      takeUntil(timer(withinMs, scheduler)),
      distinct(({ gateway }) => gateway),
      take(Math.max(0, others)),
      toArray(),
    );
}
