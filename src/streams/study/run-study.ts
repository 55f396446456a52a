import {
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  mergeMap,
  type Observable,
  type ObservableInput,
  of,
} from 'rxjs';
import type { PlannedRun } from './config/study.js';
import type { FoundRun } from './find-run.js';

/** What a training run reports. */
export type TrainingEvent =
  /** This many rounds are complete. */
  | { readonly kind: 'round'; readonly completeRounds: number }
  | { readonly kind: 'warning'; readonly message: string }
  /** Last of all, where the run ended with a fault. */
  | { readonly kind: 'failed'; readonly message: string };

/** A run that is not complete. */
export interface RunToDo extends PlannedRun {
  readonly found: FoundRun;
}

export type StudyEvent =
  | { readonly kind: 'begun'; readonly run: RunToDo }
  | { readonly kind: 'round'; readonly run: RunToDo; readonly completeRounds: number }
  | { readonly kind: 'warning'; readonly run: RunToDo; readonly message: string }
  | {
      readonly kind: 'complete';
      readonly run: RunToDo;
      readonly figures: Extract<FoundRun, { state: 'complete' }>['figures'];
    }
  | { readonly kind: 'failed'; readonly run: RunToDo; readonly message: string };

interface StudyEffects {
  /** Trains until the run is complete, has failed, or was asked to stop. Errs only where no run could go on. */
  readonly runOne: (run: RunToDo) => ObservableInput<TrainingEvent>;
  readonly find: (run: PlannedRun) => ObservableInput<FoundRun>;
  readonly stopping: AbortSignal;
  /** Runs that may be under way at one time, at least 1. */
  readonly jobs: number;
}

/**
 * Runs the runs of a study in order, `jobs` at a time.
 *
 * Time: emits as things happen. A run that fails is reported, and the next one begins. Completes after the last run, or,
 * once `stopping` is aborted, after the runs under way. Unsubscribing abandons the runs under way.
 */
export function runStudy(
  runs: readonly RunToDo[],
  { runOne, find, stopping, jobs }: StudyEffects,
): Observable<StudyEvent> {
  const judge =
    (run: RunToDo) =>
    (found: FoundRun): Observable<StudyEvent> => {
      if (found.state === 'complete') return of({ kind: 'complete', run, figures: found.figures });
      if (found.state === 'other') return of({ kind: 'failed', run, message: found.failure });
      if (stopping.aborted) return EMPTY;
      const message = `${run.runPath}: expected a whole run, got one that was stopped. Run the study again to resume it.`;
      return of({ kind: 'failed', run, message });
    };
  const carryOut = (run: RunToDo): Observable<StudyEvent> => {
    let hasFailed = false;
    const training$ = defer(() => runOne(run)).pipe(
      concatMap((event): Observable<StudyEvent> => {
        hasFailed ||= event.kind === 'failed';
        return of({ ...event, run });
      }),
    );
    const judged$ = defer(() => (hasFailed ? EMPTY : from(find(run)).pipe(concatMap(judge(run)))));
    return concat(of<StudyEvent>({ kind: 'begun', run }), training$, judged$);
  };
  return from(runs).pipe(mergeMap((run) => defer(() => (stopping.aborted ? EMPTY : carryOut(run))), jobs));
}
