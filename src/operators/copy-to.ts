import {
  defer,
  finalize,
  ignoreElements,
  merge,
  type ObservableInput,
  type OperatorFunction,
  Subject,
  Subscription,
  tap,
} from 'rxjs';
import { requireCount } from './checks/option-checks.js';

export interface CopyToOptions<Message> {
  /** Writes a copy; only its end counts. */
  readonly write: (message: Message) => ObservableInput<unknown>;
  /** Most copies that wait for the one before, at least 1. */
  readonly maxWaiting: number;
  /** Takes each message that is not written: the oldest that waits where there is no room, or one whose writing fails. */
  readonly onDropped: (message: Message, error?: unknown) => void;
}

/**
 * Writes a copy of each message somewhere, one after another, and never holds up its source: where the target is slower, the
 * oldest copies that wait are dropped.
 *
 * ```
 * source   abcd--------|     maxWaiting 2, writing takes 3
 * dropped  ---b---------
 * result   ---a--c--d--|
 * ```
 *
 * Time: emits a message when it is written. Completes when the source has and all that waits is written. Errs with the source,
 * never with the target. Holds `maxWaiting` messages. Unsubscribing releases the source and the writing.
 *
 * Errors: TRIB_OPERATOR for a bound that is not a count; a throw of `onDropped` errs the stream.
 *
 * Example:
 * ```js
 * const written = [];
 * const write = async (text) => written.push(text);
 * const result$ = of('a', 'b').pipe(copyTo({ write, maxWaiting: 2, onDropped: () => {} }), endWith(written));
 * // ['a', 'b', ['a', 'b']]
 * ```
 */
export function copyTo<Message>({
  write,
  maxWaiting,
  onDropped,
}: CopyToOptions<Message>): OperatorFunction<Message, Message> {
  requireCount('copyTo', 'maxWaiting', maxWaiting, 1);
  return (source) =>
    defer(() => {
      const written$ = new Subject<Message>();
      const writing = new Subscription();
      const waiting: Message[] = [];
      let isWriting = false;
      let isOver = false;
      const drop = (message: Message, error?: unknown): void => {
        try {
          onDropped(message, error);
        } catch (fault) {
          written$.error(fault);
        }
      };
      const writeNext = (): void => {
        const [message] = waiting.splice(0, 1);
        isWriting = message !== undefined;
        if (message !== undefined) writing.add(copy(message));
        else if (isOver) written$.complete();
      };
      const copy = (message: Message): Subscription =>
        defer(() => write(message)).subscribe({
          error: (error: unknown) => {
            drop(message, error);
            writeNext();
          },
          complete: () => {
            written$.next(message);
            writeNext();
          },
        });
      const offer = (message: Message): void => {
        const [oldest] = isWriting && waiting.length === maxWaiting ? waiting.splice(0, 1) : [];
        if (oldest !== undefined) drop(oldest);
        waiting.push(message);
        if (!isWriting) writeNext();
      };
      const end = (): void => {
        isOver = true;
        if (!isWriting) written$.complete();
      };
      return merge(written$, source.pipe(tap({ next: offer, complete: end }), ignoreElements())).pipe(
        finalize(() => writing.unsubscribe()),
      );
    });
}
