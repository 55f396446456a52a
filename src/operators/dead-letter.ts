import {
  asyncScheduler,
  catchError,
  defer,
  EMPTY,
  type OperatorFunction,
  retry,
  type SchedulerLike,
  throwError,
  timer,
} from 'rxjs';
import { TributaryError } from '../errors.js';
import { type BoundedMergeOptions, boundedMerge } from './bounded-merge.js';
import { requireCount } from './checks/option-checks.js';
import type { DeadLetter } from './records/records.js';

/** How often, and after how long, a message is tried again. */
export interface RetryOptions {
  /** Tries after the first one. Default 0. */
  readonly maxRetries?: number;
  /** Milliseconds before the first retry; doubled for each further one. Default 0. */
  readonly backoffMs?: number;
  /** Times the backoff. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

export interface DeadLetterOptions<Message, Out>
  extends RetryOptions,
    Pick<BoundedMergeOptions<Message, Out>, 'concurrency' | 'maxQueued' | 'project'> {
  /** Name of the stage, for the letter. */
  readonly stage: string;
  readonly groupIdOf?: (message: Message) => string;
  /** Takes the messages that failed for good. */
  readonly deadLetters: (letter: DeadLetter<Message>) => void;
}

/**
 * Runs `project` for each message; a message that fails becomes a dead letter, and the stream goes on. Like
 * `boundedMerge`, but an inner error ends only its own message.
 *
 * ```
 * source   a----b---c---|
 * a        -x|
 * b             -#
 * c                 -x|
 * letters  ------b-------
 * result   -x--------x--|
 * ```
 *
 * Time: emits what `project` emits; what a message emitted before it failed stays emitted. A `retryable` error is tried
 * again after backoffMs 2^n, at most `maxRetries` times. Completes when the source and all
 * messages have. Errs only with the source, an overflow, or a throw of `deadLetters`. Buffers at most `maxQueued`
 * messages. Unsubscribing releases the source, the work and the timers.
 *
 * Errors: TRIB_OVERFLOW, TRIB_OPERATOR as `boundedMerge`. A letter has the code of a TributaryError, else TRIB_INTERNAL.
 *
 * Example:
 * ```js
 * const letters = [];
 * const deadLetters = ({ reason }) => letters.push(reason);
 * const project = (text) => of(JSON.parse(text));
 * const options = { stage: 'parse', concurrency: 1, maxQueued: 0, deadLetters, project };
 * const result$ = of('1', '', '3').pipe(deadLetter(options), endWith(letters));
 * // [1, 3, ['Unexpected end of JSON input']]
 * ```
 */
export function deadLetter<Message, Out>(
  options: DeadLetterOptions<Message, Out>,
): OperatorFunction<Message, Out> {
  const { stage, groupIdOf, concurrency, maxQueued, deadLetters, project } = options;
  const { maxRetries = 0, backoffMs = 0, scheduler = asyncScheduler } = options;
  requireCount(stage, 'maxRetries', maxRetries, 0);
  requireCount(stage, 'backoffMs', backoffMs, 0);
  const delay = (error: unknown, retryCount: number) =>
    error instanceof TributaryError && error.retryable
      ? timer(backoffMs * 2 ** (retryCount - 1), scheduler)
      : throwError(() => error);
  return boundedMerge({
    operator: stage,
    concurrency,
    maxQueued,
    project: (message) =>
      defer(() => project(message)).pipe(
        retry({ count: maxRetries, delay }),
        catchError((error: unknown) => {
          const groupId = groupIdOf?.(message);
          deadLetters({
            stage,
            ...(groupId === undefined ? {} : { groupId }),
            code: error instanceof TributaryError ? error.code : 'TRIB_INTERNAL',
            reason: error instanceof Error ? error.message : String(error),
            message,
          });
          return EMPTY;
        }),
      ),
  });
}
