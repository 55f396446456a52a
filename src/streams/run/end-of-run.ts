import { EMPTY, filter, fromEvent, merge, type Observable, of, Subject, take, takeUntil } from 'rxjs';
import { stageOf } from '../config/resolved/stage-of.js';
import type { StageContext } from '../stages/work/stage-context.js';

/** Knows when the trainer of a run is done: it is told what happens, and ends the stages. */
export interface EndOfRun {
  /** A training stage will be issued as a whole, or has been. */
  readonly onIssued: (trainingStage: number) => void;
  /** No more prompts are issued by this process. */
  readonly onAdmissionEnd: () => void;
  /** A training stage is closed, and trained next: its groups are in, or, where it closes by time, as many as came. */
  readonly onClosed: (trainingStage: number) => void;
  /** A training stage is trained, saved, and the next one has begun. */
  readonly onTrained: (trainingStage: number) => void;
  /** Stages that are trained. */
  trainedStages(): number;
  /** Ends the stream when the last training stage is trained; when the run is stopping, when the last that was begun is. */
  until(stages$: Observable<never>): Observable<never>;
}

/**
 * Creates the end of a run. Where prompts are issued elsewhere, a stage is begun when all of its groups are in: what is not
 * yet, comes again after a resume.
 */
export function endOfRun(
  { config, firstTrainingStage, stopping }: StageContext,
  { issuesPrompts }: { readonly issuesPrompts: boolean },
): EndOfRun {
  const { numStages } = stageOf(config, 'prompts');
  let begun = firstTrainingStage - 1;
  let trained = firstTrainingStage - 1;
  let hasAdmissionEnded = false;
  const turn$ = new Subject<void>();
  const begin = (trainingStage: number) => {
    begun = Math.max(begun, trainingStage);
  };
  const isDone = () => {
    const takesNoMore = issuesPrompts ? hasAdmissionEnded : stopping.aborted;
    return trained === numStages - 1 || (takesNoMore && trained >= begun);
  };
  const ignore = () => undefined;
  return {
    onIssued: issuesPrompts ? begin : ignore,
    onAdmissionEnd: () => {
      hasAdmissionEnded = true;
      turn$.next();
    },
    // Closed by time it may never have been issued as a whole.
    onClosed: begin,
    onTrained: (trainingStage) => {
      trained = trainingStage;
      turn$.next();
    },
    trainedStages: () => trained + 1,
    until(stages$) {
      const stop$ = issuesPrompts ? EMPTY : fromEvent(stopping, 'abort');
      const done$ = merge(turn$, stop$, of(undefined)).pipe(filter(isDone), take(1));
      return stages$.pipe(takeUntil(done$));
    },
  };
}
