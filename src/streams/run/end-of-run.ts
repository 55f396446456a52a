import { EMPTY, filter, fromEvent, merge, type Observable, of, Subject, take, takeUntil } from 'rxjs';
import { stageOf } from '../config/resolved/stage-of.js';
import type { StageContext } from '../stages/shared/stage-context.js';

/** Decides when the trainer of a run is done, from what it is told. */
interface EndOfRun {
  /** A round was, or will be, issued as a whole. */
  readonly onIssued: (round: number) => void;
  /** No more prompts are issued by this process. */
  readonly onAdmissionEnd: () => void;
  /** A round is closed and will be trained next. */
  readonly onClosed: (round: number) => void;
  /** A round is trained, saved, and the next one has begun. */
  readonly onTrained: (round: number) => void;
  /** Rounds that are trained. */
  trainedRounds(): number;
  /** Ends the stream when the last round is trained; if the run is stopping, the last one that was begun. */
  until(stages$: Observable<never>): Observable<never>;
}

/**
 * Creates the end of a run. If prompts are issued elsewhere, a round counts as begun only when it is closed; what is not
 * closed yet comes again after a resume.
 */
export function endOfRun(
  { config, firstRound, stopping }: StageContext,
  { issuesPrompts }: { readonly issuesPrompts: boolean },
): EndOfRun {
  const { numRounds } = stageOf(config, 'prompts');
  let begun = firstRound - 1;
  let trained = firstRound - 1;
  let hasAdmissionEnded = false;
  const turn$ = new Subject<void>();
  const begin = (round: number) => {
    begun = Math.max(begun, round);
  };
  const isDone = () => {
    const takesNoMore = issuesPrompts ? hasAdmissionEnded : stopping.aborted;
    return trained === numRounds - 1 || (takesNoMore && trained >= begun);
  };
  const ignore = () => undefined;
  return {
    onIssued: issuesPrompts ? begin : ignore,
    onAdmissionEnd: () => {
      hasAdmissionEnded = true;
      turn$.next();
    },
    // A round that is closed by time may never have been issued as a whole.
    onClosed: begin,
    onTrained: (round) => {
      trained = round;
      turn$.next();
    },
    trainedRounds: () => trained + 1,
    until(stages$) {
      const stop$ = issuesPrompts ? EMPTY : fromEvent(stopping, 'abort');
      const done$ = merge(turn$, stop$, of(undefined)).pipe(filter(isDone), take(1));
      return stages$.pipe(takeUntil(done$));
    },
  };
}
