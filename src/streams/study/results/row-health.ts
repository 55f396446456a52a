import { meanOf } from './estimate.js';
import type { RunResult } from './run-result.js';

/** How a row learned: means over the training stages of all its runs. */
export interface RowHealth {
  readonly intraGroupCorrelation: number | null;
  readonly selectedSamples: number | null;
  /** Of the groups with rewards, in [0, 1]. */
  readonly zeroSpreadShare: number | null;
  readonly gradNorm: number | null;
  /**
   * Share of each sampler step in the squared gradient norms of single runs, the noisiest first, over the stages that know
   * it of several steps; null where none does, as when a run of the training graph mixes steps.
   */
  readonly gradientShares: readonly number[] | null;
  readonly clipFraction: number | null;
  /** After the last training stage, mean over the runs. */
  readonly klToPretrained: number | null;
}

type Stage = RunResult['stages'][number];

/** Returns the health of a row; what no stage has measured is null. */
export function rowHealth(runs: readonly RunResult[]): RowHealth {
  const stages = runs.flatMap((run) => run.stages);
  const mean = (of: (stage: Stage) => number | null, among: readonly Stage[] = stages) => {
    const measured = among.map(of).filter((value) => value !== null);
    return measured.length === 0 ? null : meanOf(measured);
  };
  const groups = stages.reduce((sum, stage) => sum + stage.groups, 0);
  const zeroSpread = stages.reduce((sum, stage) => sum + stage.zeroSpreadGroups, 0);
  return {
    intraGroupCorrelation: mean((stage) => stage.intraGroupCorrelation),
    selectedSamples: mean((stage) => stage.selectedSamples),
    zeroSpreadShare: groups === 0 ? null : zeroSpread / groups,
    gradNorm: mean((stage) => stage.gradNorm),
    gradientShares: gradientShares(stages),
    clipFraction: mean((stage) => stage.clipFraction),
    klToPretrained: mean(
      (stage) => stage.klToPretrained,
      runs.flatMap((run) => run.stages.slice(-1)),
    ),
  };
}

function gradientShares(stages: readonly Stage[]): number[] | null {
  const telling = stages.filter(
    ({ gradNormByStep }) => gradNormByStep.filter((one) => one !== null).length > 1,
  );
  const steps = Math.max(0, ...telling.map(({ gradNormByStep }) => gradNormByStep.length));
  const squares = Array.from({ length: steps }, (_, step) =>
    telling.reduce((sum, { gradNormByStep }) => sum + (gradNormByStep[step] ?? 0) ** 2, 0),
  );
  const total = squares.reduce((sum, value) => sum + value, 0);
  return total === 0 ? null : squares.map((value) => value / total);
}
