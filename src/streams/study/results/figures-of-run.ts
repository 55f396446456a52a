/** @file The figures by which runs are compared, each of one run; null where the model cannot measure it. */
import type { EvaluationPoint, RunResult } from './run-result.js';

/** A figure of one run, and how a table writes it. */
export interface RunFigure {
  readonly of: (run: RunResult) => number | null;
  /** Factor in a table: 100 for percent. */
  readonly factor: number;
  readonly decimals: number;
}

export function baseOf(run: RunResult): EvaluationPoint {
  return run.points[0]!;
}

function finalOf(run: RunResult): EvaluationPoint {
  return run.points.at(-1)!;
}

/** Diversity on held-out prompts as a share of the base model's; null where the base model has none, or it was not measured. */
export function diversityKept(run: RunResult, point: EvaluationPoint): number | null {
  const [before, { diversity }] = [baseOf(run).heldOut.diversity, point.heldOut];
  return !before || diversity === null ? null : diversity / before;
}

/** Pictures that were trained on until a point, each counted once. */
export function samplesUntil(run: RunResult, { round }: EvaluationPoint): number {
  const before = run.rounds.filter((one) => one.round < round);
  return before.reduce((sum, { selectedSamples }) => sum + selectedSamples, 0);
}

const percent = (of: RunFigure['of']): RunFigure => ({ of, factor: 100, decimals: 1 });

export const BASE_HELD_OUT = percent((run) => baseOf(run).heldOut.verifiedAlignment);
export const FINAL_HELD_OUT = percent((run) => finalOf(run).heldOut.verifiedAlignment);
export const BASE_TRAIN = percent((run) => baseOf(run).train.verifiedAlignment);
export const FINAL_TRAIN = percent((run) => finalOf(run).train.verifiedAlignment);
export const FINAL_DIVERSITY_KEPT = percent((run) => diversityKept(run, finalOf(run)));
export const FINAL_REWARD: RunFigure = {
  of: (run) => finalOf(run).train.rewardMean,
  factor: 1,
  decimals: 3,
};
export const SAMPLES: RunFigure = { of: (run) => samplesUntil(run, finalOf(run)), factor: 1, decimals: 0 };
export const PASSES: RunFigure = { of: (run) => finalOf(run).networkPasses, factor: 1e-3, decimals: 0 };
export const SECONDS: RunFigure = { of: (run) => finalOf(run).elapsedSeconds, factor: 1, decimals: 0 };
