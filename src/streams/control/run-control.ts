import { BehaviorSubject, defer, ignoreElements, type Observable, tap } from 'rxjs';
import { type Control, UNCONTROLLED } from '../messages/control-state.js';
import type { TopicMessages } from '../messages/messages.js';
import type { Transport } from '../transport/contract/transport.js';

/** What operators want of the run, and what is in force: that changes only between rounds. */
export interface RunControl {
  /** Listens to what operators want; emits nothing, errs with the transport. */
  readonly follow$: Observable<never>;
  /** What is in force from the next round on. */
  readonly inForce$: Observable<Control>;
  inForce(): Control;
  /**
   * Puts what operators want now into force. The trainer calls it before it announces a round.
   * @param position of the schedule in this round, before what operators shift; default the round.
   */
  beginRound(round: number, position?: number): void;
  /** The position of the schedule in the current round, as the trainer has told. */
  position(): number;
  /** What is in force in the current round; for another round, what operators want now. */
  at(round: number): Control;
}

/** Starts with what operators want of a run now; later changes are seen while `follow$` is subscribed to. */
export async function openRunControl(transport: Transport<TopicMessages>): Promise<RunControl> {
  return createRunControl(transport, (await transport.newest('control')) ?? UNCONTROLLED);
}

export function createRunControl(transport: Transport<TopicMessages>, wantedFirst: Control): RunControl {
  let wanted = wantedFirst;
  let begun: number | null = null;
  let begunAt = 0;
  const inForce$ = new BehaviorSubject(wanted);
  return {
    follow$: defer(() => transport.latest('control')).pipe(
      tap((control) => {
        wanted = control;
      }),
      ignoreElements(),
    ),
    inForce$,
    inForce: () => inForce$.value,
    beginRound(round, position = round) {
      begun = round;
      begunAt = position;
      inForce$.next(wanted);
    },
    position: () => begunAt,
    at: (round) => (round === begun ? inForce$.value : wanted),
  };
}
