import { type Estimate, estimate, meanOf } from './estimate.js';
import type { EvaluationPoint, RunResult } from './run-result.js';

/** One evaluation of a row, over its seeds. */
interface CurvePoint {
  /** Mean over the seeds. */
  readonly x: number;
  readonly y: Estimate;
}

export type PointFigure = (point: EvaluationPoint, run: RunResult) => number | null;

/** Returns the curve of a row: one point for every round after which each of its runs was evaluated. */
export function meanCurve(runs: readonly RunResult[], x: PointFigure, y: PointFigure): CurvePoint[] {
  const rounds = runs[0]?.points.map(({ round }) => round) ?? [];
  return rounds.flatMap((round) => {
    const measured = runs.map((run) => {
      const point = run.points.find((one) => one.round === round);
      return point ? { x: x(point, run), y: y(point, run) } : { x: null, y: null };
    });
    const xs = measured.flatMap((one) => (one.x === null ? [] : [one.x]));
    const over = estimate(measured.map((one) => one.y));
    return over === null || xs.length < runs.length ? [] : [{ x: meanOf(xs), y: over }];
  });
}

/**
 * Returns where a curve first reaches a value, by linear interpolation between its points; null where it never does.
 *
 * @param curve In ascending order of x.
 */
export function firstReached(
  curve: readonly { readonly x: number; readonly y: number }[],
  target: number,
): number | null {
  const index = curve.findIndex(({ y }) => y >= target);
  const [before, reached] = [curve[index - 1], curve[index]];
  if (!reached) return null;
  if (!before) return reached.x;
  return before.x + ((target - before.y) / (reached.y - before.y)) * (reached.x - before.x);
}
