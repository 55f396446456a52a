import { BehaviorSubject, defer, ignoreElements, type Observable, tap } from 'rxjs';
import { type Control, UNCONTROLLED } from '../messages/control-state.js';
import type { TopicMessages } from '../messages/messages.js';
import type { Transport } from '../transport/contract/transport.js';

/** What operators want of the run, and what of it is in force. That changes between training stages, and never inside one. */
export interface RunControl {
  /** Hears what operators want; emits nothing, errs with the transport. */
  readonly follow$: Observable<never>;
  /** What is in force, from the stage on that begins next. */
  readonly inForce$: Observable<Control>;
  inForce(): Control;
  /** Puts in force what operators want now. The trainer calls it before it says that a training stage begins. */
  beginStage(trainingStage: number): void;
  /** What is in force in the stage that has begun; of another stage, what operators want now. */
  at(trainingStage: number): Control;
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
    beginStage(trainingStage) {
      begun = trainingStage;
      inForce$.next(wanted);
    },
    at: (trainingStage) => (trainingStage === begun ? inForce$.value : wanted),
  };
}
