import { meanOf } from './estimate.js';
import type { RunResult } from './run-result.js';

/** How a row learned: means over all rounds of its runs. */
interface RowHealth {
  readonly intraGroupCorrelation: number | null;
  readonly selectedSamples: number | null;
  /** Of the groups with rewards, in [0, 1]. */
  readonly zeroSpreadShare: number | null;
  readonly gradNorm: number | null;
  /**
   * Share of each sampler step in the squared gradient norms of single runs, the noisiest first, over the rounds that know
   * it of several steps; null where none does, as when a run of the training graph mixes steps.
   */
  readonly gradientShares: readonly number[] | null;
  readonly clipFraction: number | null;
  /** After the last round, mean over the runs. */
  readonly klToPretrained: number | null;
}

type Round = RunResult['rounds'][number];

/** Returns the health of a row; figures that no round has measured are null. */
export function rowHealth(runs: readonly RunResult[]): RowHealth {
  const rounds = runs.flatMap((run) => run.rounds);
  const mean = (of: (round: Round) => number | null, among: readonly Round[] = rounds) => {
    const measured = among.map(of).filter((value) => value !== null);
    return measured.length === 0 ? null : meanOf(measured);
  };
  const groups = rounds.reduce((sum, round) => sum + round.groups, 0);
  const zeroSpread = rounds.reduce((sum, round) => sum + round.zeroSpreadGroups, 0);
  return {
    intraGroupCorrelation: mean((round) => round.intraGroupCorrelation),
    selectedSamples: mean((round) => round.selectedSamples),
    zeroSpreadShare: groups === 0 ? null : zeroSpread / groups,
    gradNorm: mean((round) => round.gradNorm),
    gradientShares: gradientShares(rounds),
    clipFraction: mean((round) => round.clipFraction),
    klToPretrained: mean(
      (round) => round.klToPretrained,
      runs.flatMap((run) => run.rounds.slice(-1)),
    ),
  };
}

function gradientShares(rounds: readonly Round[]): number[] | null {
  const telling = rounds.filter(
    ({ gradNormByStep }) => gradNormByStep.filter((one) => one !== null).length > 1,
  );
  const steps = Math.max(0, ...telling.map(({ gradNormByStep }) => gradNormByStep.length));
  const squares = Array.from({ length: steps }, (_, step) =>
    telling.reduce((sum, { gradNormByStep }) => sum + (gradNormByStep[step] ?? 0) ** 2, 0),
  );
  const total = squares.reduce((sum, value) => sum + value, 0);
  return total === 0 ? null : squares.map((value) => value / total);
}
