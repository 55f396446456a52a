import { type Estimate, estimate, meanOf } from './estimate.js';
import { FINAL_HELD_OUT, type RunFigure, samplesUntil } from './figures-of-run.js';
import { firstReached, meanCurve, type PointFigure } from './mean-curve.js';
import type { RunResult } from './run-result.js';

/** A row against the baseline row, over the seeds that both have. */
interface RowComparison {
  readonly seeds: readonly number[];
  /** Difference to the baseline in a figure, paired by seed; null where it was not measured. */
  difference(figure: RunFigure): Estimate | null;
  /**
   * Reward queries after which the row's mean curve of held-out verified alignment first reaches the mean that the
   * baseline ends with; null where it never does.
   */
  readonly queriesToReach: number | null;
  /** The same in passes of one row through the network; null also where they were not counted. */
  readonly passesToReach: number | null;
  /** The same in pictures that were trained on. */
  readonly samplesToReach: number | null;
}

/** Compares the runs of a row with those of the baseline row, paired by seed; unpaired runs do not count. */
export function compareRows(row: readonly RunResult[], baseline: readonly RunResult[]): RowComparison {
  const pairs = row.flatMap((run) => {
    const other = baseline.find(({ seed }) => seed === run.seed);
    return other ? [{ run, other }] : [];
  });
  return {
    seeds: pairs.map(({ run }) => run.seed),
    difference: ({ of }) =>
      estimate(
        pairs.map(({ run, other }) => {
          const [value, reference] = [of(run), of(other)];
          return value === null || reference === null ? null : value - reference;
        }),
      ),
    queriesToReach: costToReach(pairs, ({ rewardQueries }) => rewardQueries),
    passesToReach: costToReach(pairs, ({ networkPasses }) => networkPasses),
    samplesToReach: costToReach(pairs, (point, run) => samplesUntil(run, point)),
  };
}

function costToReach(
  pairs: readonly { readonly run: RunResult; readonly other: RunResult }[],
  cost: PointFigure,
): number | null {
  const targets = pairs.map(({ other }) => FINAL_HELD_OUT.of(other)).filter((target) => target !== null);
  if (targets.length === 0 || targets.length < pairs.length) return null;
  const curve = meanCurve(
    pairs.map(({ run }) => run),
    cost,
    ({ heldOut }) => heldOut.verifiedAlignment,
  );
  return firstReached(
    curve.map(({ x, y }) => ({ x, y: y.mean })),
    meanOf(targets),
  );
}
