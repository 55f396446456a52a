import { TestScheduler } from 'rxjs/testing';

/** What a diagram says of one moment: the letter of a message, `|`, or `#`. */
export interface Marble {
  /** Milliseconds from the start. */
  readonly at: number;
  readonly mark: string;
}

/**
 * Reads a marble diagram, in the notation of `TestScheduler.run` of RxJS: a dash and a letter are a millisecond each, `60s`
 * between spaces is a time, what stands in parentheses comes at once, `|` completes and `#` errs.
 *
 * Errors: what RxJS throws at a diagram that it cannot read.
 */
export function readMarbles(diagram: string): Marble[] {
  if (/[!^]/.test(diagram)) throw new Error('a diagram of messages has no marks of subscriptions');
  let marbles: Marble[] = [];
  // A dash is a millisecond inside `run` alone.
  new TestScheduler(() => undefined).run(() => {
    marbles = TestScheduler.parseMarbles(diagram, undefined, undefined, false, true).map(
      ({ frame, notification }) => ({
        at: frame,
        mark: notification.kind === 'N' ? String(notification.value) : notification.kind === 'C' ? '|' : '#',
      }),
    );
  });
  return marbles;
}

/** Whether a mark is of a message. */
export const isLetter = (mark: string): boolean => mark !== '|' && mark !== '#';
