import { BehaviorSubject, defer, ignoreElements, type Observable, tap } from 'rxjs';
import { type Control, UNCONTROLLED } from '../messages/control-state.js';
import type { TopicMessages } from '../messages/messages.js';
import type { Transport } from '../transport/contract/transport.js';

/** What operators want of the run, and what of it is in force. That changes between rounds, and never inside one. */
export interface RunControl {
  /** Hears what operators want; emits nothing, errs with the transport. */
  readonly follow$: Observable<never>;
  /** What is in force, from the round on that begins next. */
  readonly inForce$: Observable<Control>;
  inForce(): Control;
  /** Puts in force what operators want now. The trainer calls it before it says that a round begins. */
  beginRound(round: number): void;
  /** What is in force in the round that has begun; of another round, what operators want now. */
  at(round: number): Control;
}

/** Begins with what operators want of a run now; what they come to want is heard while `follow$` is subscribed to. */
export async function openRunControl(transport: Transport<TopicMessages>): Promise<RunControl> {
  return createRunControl(transport, (await transport.newest('control')) ?? UNCONTROLLED);
}

export function createRunControl(transport: Transport<TopicMessages>, wantedFirst: Control): RunControl {
  let wanted = wantedFirst;
  let begun: number | null = null;
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
    beginRound(round) {
      begun = round;
      inForce$.next(wanted);
    },
    at: (round) => (round === begun ? inForce$.value : wanted),
  };
}
