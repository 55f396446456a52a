import { concat, defer, type OperatorFunction, Observable as Stream } from 'rxjs';
import { boundedMerge } from './bounded-merge.js';
import { requireCount } from './checks/option-checks.js';
import { type Answer, type AnsweringOperator, RunningOperator } from './running-operator.js';

export type { Answer, AnsweringOperator };

export interface AnswerEachOptions<Message> extends AnsweringOperator<Message> {
  /** Most messages that wait for their turn, at least 0. */
  readonly maxQueued: number;
}

/**
 * Sends messages through somebody else's operator, one at a time, and says of each what became of it. So each message can be
 * acknowledged, whatever the operator does.
 *
 * ```
 * source  a---b---c---|      an operator that drops b
 * result  x---y---z---|      x passed, y dropped, z passed
 * ```
 *
 * Time: emits when the operator has answered: by a value for the message, or by `null`, which drops it. With `answerWithinMs`
 * 0 no value means `null`. An operator that errs fails the message in hand and begins anew, without what it remembered.
 * Completes when the source has, every message is answered, and the operator has completed. Errs with the source. Holds
 * `maxQueued` messages. Unsubscribing releases the source, the operator and the timer.
 *
 * Errors: a message fails with TRIB_OPERATOR where the operator throws, emits two values for it, one that it may not emit, or
 * none in time. The stream errs with TRIB_OPERATOR where the operator emits without a message in hand, or completes before
 * its source, or not with it; TRIB_OVERFLOW as `boundedMerge`.
 *
 * Example:
 * ```js
 * const operator = (numbers$) => numbers$.pipe(filter((n) => n > 1));
 * const options = { name: 'large', operator, faultOf: () => null, maxQueued: 2 };
 * const result$ = of(1, 2).pipe(answerEach(options), map(({ kind }) => kind));
 * // ['dropped', 'passed']
 * ```
 */
export function answerEach<Message>(
  options: AnswerEachOptions<Message>,
): OperatorFunction<Message, Answer<Message>> {
  const { name, answerWithinMs = 0, maxQueued } = options;
  requireCount(`operator ${name}`, 'answerWithinMs', answerWithinMs, 0);
  return (source) =>
    new Stream((subscriber) => {
      const running = new RunningOperator(options, (error) => subscriber.error(error));
      subscriber.add(() => running.stop());
      const project = (message: Message) => running.answer(message);
      concat(
        source.pipe(boundedMerge({ operator: name, concurrency: 1, maxQueued, project })),
        defer(() => running.end()),
      ).subscribe(subscriber);
    });
}
