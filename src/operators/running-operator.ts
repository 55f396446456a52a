/** @file An operator of somebody else, while it runs: which message it has in hand, and what it answers. */
import {
  asyncScheduler,
  defer,
  EMPTY,
  from,
  map,
  mergeMap,
  type Observable,
  type ObservableInput,
  of,
  ReplaySubject,
  race,
  type SchedulerLike,
  Subject,
  type Subscription,
  take,
  throwError,
  timer,
} from 'rxjs';
import { TributaryError } from '../errors.js';

/** What became of a message: what the operator made of it, nothing, or why it failed. */
export type Answer<Message> =
  | { readonly kind: 'passed'; readonly input: Message; readonly output: Message }
  | { readonly kind: 'dropped'; readonly input: Message }
  | { readonly kind: 'failed'; readonly input: Message; readonly error: TributaryError };

export interface AnsweringOperator<Message> {
  /** Names the operator in errors. */
  readonly name: string;
  /** Anyone's operator: what it emits is not trusted. */
  readonly operator: (messages$: Observable<Message>) => ObservableInput<unknown>;
  /** Why an output cannot stand for its input, as a phrase `expected ..., got ...`; null if it can. */
  readonly faultOf: (output: unknown, input: Message) => string | null;
  /** Milliseconds that a message may take; 0: the operator answers before the call returns. Default 0. */
  readonly answerWithinMs?: number;
  /** Times the answers. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** The message that the operator is to answer. */
interface InHand<Message> {
  readonly input: Message;
  readonly outputs: unknown[];
  readonly answered$: ReplaySubject<void>;
  error: TributaryError | null;
}

export class RunningOperator<Message> {
  readonly #options: AnsweringOperator<Message>;
  #messages$ = new Subject<Message>();
  #subscription: Subscription | null = null;
  #inHand: InHand<Message> | null = null;
  readonly #ended$ = new ReplaySubject<void>(1);
  #isEnding = false;

  constructor(
    options: AnsweringOperator<Message>,
    /** Takes what goes wrong while no message is in hand. */
    private readonly onFault: (error: TributaryError) => void,
  ) {
    this.#options = options;
  }

  /** Gives the operator a message, and emits its answer. */
  answer(input: Message): Observable<Answer<Message>> {
    return defer(() => {
      const { answerWithinMs = 0, scheduler = asyncScheduler } = this.#options;
      const hand: InHand<Message> = {
        input,
        outputs: [],
        answered$: new ReplaySubject<void>(1),
        error: null,
      };
      this.#inHand = hand;
      if (this.#subscription === null) this.#start();
      if (hand.error === null) this.#messages$.next(input);
      if (answerWithinMs === 0 || hand.outputs.length > 0 || hand.error) return of(this.#settle(hand));
      return race(hand.answered$, timer(answerWithinMs, scheduler)).pipe(
        take(1),
        map(() => this.#settle(hand)),
      );
    });
  }

  /** Tells the operator that no more messages come, and completes with it. */
  end(): Observable<never> {
    const { answerWithinMs = 0, scheduler = asyncScheduler } = this.#options;
    if (this.#subscription === null) return EMPTY;
    this.#isEnding = true;
    this.#messages$.complete();
    const fault = this.#fault('to complete with its source', 'an operator that goes on', 'Let it complete.');
    const late$ = answerWithinMs === 0 ? of(0) : timer(answerWithinMs, scheduler);
    // The first counts, and one that has completed already comes first.
    return race(this.#ended$.pipe(map(() => true)), late$.pipe(map(() => false))).pipe(
      take(1),
      mergeMap((isEnded) => (isEnded ? EMPTY : throwError(() => fault))),
    );
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = null;
  }

  #start(): void {
    this.#messages$ = new Subject<Message>();
    const answers$ = defer(() => from(this.#options.operator(this.#messages$)));
    this.#subscription = answers$.subscribe({
      next: (output) => this.#take(output),
      error: (error: unknown) => this.#fail(error),
      complete: () => this.#complete(),
    });
    if (this.#subscription.closed) this.#subscription = null;
  }

  #take(output: unknown): void {
    if (this.#inHand === null) {
      const next = 'Emit one for each message, before the next; if it needs time, set `answerWithinMs`.';
      this.onFault(this.#fault('nothing while it has no message in hand', 'a value', next));
      return;
    }
    this.#inHand.outputs.push(output);
    this.#inHand.answered$.next();
  }

  /** An operator that has erred is over; the next message starts it anew. */
  #fail(error: unknown): void {
    this.#subscription = null;
    const text = error instanceof Error ? error.message : String(error);
    const fault = this.#fault('to answer', `the error "${text}"`, 'Correct the operator.', error);
    if (this.#inHand === null) {
      this.onFault(fault);
      return;
    }
    this.#inHand.error = fault;
    this.#inHand.answered$.next();
  }

  #complete(): void {
    if (this.#isEnding) this.#ended$.next();
    else {
      const next = 'Let it go on: `filter` drops what is not wanted.';
      this.onFault(this.#fault('to complete with its source', 'one that completes before', next));
    }
  }

  #settle({ input, outputs, error }: InHand<Message>): Answer<Message> {
    this.#inHand = null;
    const { answerWithinMs = 0, faultOf } = this.#options;
    const failed = (fault: TributaryError): Answer<Message> => ({ kind: 'failed', input, error: fault });
    if (error) return failed(error);
    if (outputs.length > 1)
      return failed(
        this.#fault(
          'one message for one',
          `${outputs.length}`,
          'Emit each message once, or `null` to drop it.',
        ),
      );
    if (outputs.length === 0 && answerWithinMs > 0) {
      this.stop();
      const next = 'Emit the message, or `null` to drop it; or raise `answerWithinMs`.';
      return failed(this.#fault(`an answer within ${answerWithinMs} ms`, 'none', next));
    }
    const [output = null] = outputs;
    if (output === null) return { kind: 'dropped', input };
    const fault = faultOf(output, input);
    if (fault === null) return { kind: 'passed', input, output: output as Message };
    const [, expected = fault, got = 'another'] = /^expected (.*), got (.*)$/s.exec(fault) ?? [];
    return failed(this.#fault(expected, got, 'Emit what the topic carries.'));
  }

  #fault(expected: string, got: string, nextStep: string, cause?: unknown): TributaryError {
    return new TributaryError(
      'TRIB_OPERATOR',
      `operator ${this.#options.name}: expected ${expected}, got ${got}. ${nextStep}`,
      { stage: this.#options.name, ...(cause !== undefined && { cause }) },
    );
  }
}
