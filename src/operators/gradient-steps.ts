import { catchError, defer, type ObservableInput, type OperatorFunction } from 'rxjs';
import { boundedMerge } from './bounded-merge.js';
import { stageError } from './checks/faults.js';

export interface GradientStepsOptions<Batch, Result> {
  /** Trains on one round's batch; nothing else is trained meanwhile. */
  readonly train: (batch: Batch) => ObservableInput<Result>;
  /** Most batches that wait, at least 0. */
  readonly maxQueued: number;
}

/**
 * Trains on the batches one after the other, in the order of the source. Like `concatMap`, but the queue has a bound.
 *
 * ```
 * source  a--b--------|      maxQueued 1
 * a       ----r|
 * b           ----s|
 * result  ----r---s---|
 * ```
 *
 * Time: emits what `train` emits; completes when the source and the last batch have. Errs with the source, or with the
 * first error of `train`, which keeps its code and names the stage and the round. Buffers at most
 * `maxQueued` batches. Unsubscribing releases the source and the running batch.
 *
 * Errors: TRIB_OVERFLOW when one more batch would have to wait; TRIB_OPERATOR for a bound that is not a count.
 *
 * Example:
 * ```js
 * const train = ({ round }) => of(`policy ${round + 1}`);
 * const result$ = of({ round: 0 }, { round: 1 }).pipe(gradientSteps({ train, maxQueued: 1 }));
 * // ['policy 1', 'policy 2']
 * ```
 */
export function gradientSteps<Batch extends { readonly round: number }, Result>(
  options: GradientStepsOptions<Batch, Result>,
): OperatorFunction<Batch, Result> {
  const { train, maxQueued } = options;
  return boundedMerge({
    operator: 'gradientSteps',
    concurrency: 1,
    maxQueued,
    project: (batch) =>
      defer(() => train(batch)).pipe(
        catchError((error: unknown) => {
          throw stageError(error, { stage: 'trainer', work: `round ${batch.round}` });
        }),
      ),
  });
}
