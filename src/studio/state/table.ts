/** @file The figures of a run as columns over the rounds that are done, in bounded memory. */

import type { MetricsLine } from '../../client/types.js';

/** Rows that are kept; beyond them every second one of the older half goes. */
export const MOST_ROWS = 2000;
const MOST_COLUMNS = 64;
const MOST_ALARMS = 100;

type Round = Extract<MetricsLine, { kind: 'round' }>;
type Evaluation = Extract<MetricsLine, { kind: 'evaluation' }>;
export type AlarmLine = Extract<MetricsLine, { kind: 'alarm' }>;
type Figures = Readonly<Record<string, number | null | undefined>>;

/** Columns of one length, `rounds` ascending. */
export class MetricsTable {
  readonly rounds: number[] = [];
  readonly columns = new Map<string, (number | null)[]>();
  /** The sampler steps that each round trained. */
  readonly trained: (readonly number[])[] = [];
  /** Raised with each change. */
  version = 0;
  numSteps = 0;
  alarms: readonly AlarmLine[] = [];
  /** The newest line of a round. */
  newest: Round | null = null;
  base: Evaluation | null = null;
  measured: Evaluation | null = null;

  /** Takes in a line of metrics.jsonl. A round that is told again replaces what was told of it. */
  add(line: MetricsLine): void {
    this.version++;
    if (line.kind === 'alarm') this.alarms = [line, ...this.alarms].slice(0, MOST_ALARMS);
    else if (line.kind === 'evaluation') this.#addEvaluation(line);
    else this.#addRound(line);
    if (this.rounds.length > MOST_ROWS) this.#thin();
  }

  /** A column; all null where nothing was measured. */
  column(name: string): readonly (number | null)[] {
    return this.columns.get(name) ?? this.rounds.map(() => null);
  }

  #addRound(line: Round): void {
    this.newest = line;
    this.numSteps = line.numSteps;
    const row = this.#rowOf(line.round + 1);
    this.trained[row] = line.trainedSteps;
    this.#set(row, figuresOfRound(line));
    const parts = Object.entries(line.rewardParts ?? {});
    this.#set(row, Object.fromEntries(parts.map(([name, { mean }]) => [`part:${name}`, mean])));
  }

  #addEvaluation(line: Evaluation): void {
    if (line.round === 0) this.base = line;
    this.measured = line;
    const row = this.#rowOf(line.round);
    for (const list of ['train', 'heldOut'] as const) {
      const { verifiedAlignment, rewardMean, diversity, verifierScore } = line[list];
      this.#set(row, {
        [`${list}:alignment`]: verifiedAlignment,
        [`${list}:reward`]: rewardMean,
        [`${list}:diversity`]: diversity,
        [`${list}:score`]: verifierScore,
      });
    }
  }

  /** The row of a round, which is made where it is missing. */
  #rowOf(round: number): number {
    let row = this.rounds.length;
    while (row > 0 && (this.rounds[row - 1] ?? 0) >= round) row--;
    if (this.rounds[row] === round) return row;
    this.rounds.splice(row, 0, round);
    this.trained.splice(row, 0, []);
    for (const column of this.columns.values()) column.splice(row, 0, null);
    return row;
  }

  #set(row: number, figures: Figures): void {
    for (const [name, value] of Object.entries(figures)) {
      if (value === undefined || (!this.columns.has(name) && this.columns.size >= MOST_COLUMNS)) continue;
      const column = this.columns.get(name) ?? this.rounds.map(() => null);
      column[row] = value !== null && Number.isFinite(value) ? value : null;
      this.columns.set(name, column);
    }
  }

  #thin(): void {
    const half = MOST_ROWS / 2;
    const isKept = (_: unknown, row: number) => row >= half || row % 2 === 0;
    const thin = <Item>(list: Item[]) => list.splice(0, list.length, ...list.filter(isKept));
    thin(this.rounds);
    thin(this.trained);
    for (const column of this.columns.values()) thin(column);
  }
}

function figuresOfRound(line: Round): Figures {
  const { wins = 0, losses = 0, interval } = line.canary ?? {};
  return {
    'canary:rate': line.canary && (wins + losses > 0 ? wins / (wins + losses) : null),
    'canary:lower': interval?.[0],
    'canary:upper': interval?.[1],
    reward: line.rewardMean,
    rewardStd: line.rewardStd,
    alignment: line.verifiedAlignment,
    correlation: line.intraGroupCorrelation,
    samples: line.selectedSamples,
    zeroSpread: line.zeroSpreadGroups,
    gradNorm: line.gradNorm,
    drift: line.meanRatioDeviation,
    kl: line.klToPretrained,
    learningRate: line.learningRateScale,
    lost: line.lostGroups,
    stale: line.staleGroups,
    late: line.lateGroups,
    deadLetters: line.deadLetters,
    outside: line.outsideRewards ?? 0,
    idle: line.trainerIdleShare,
    elapsed: line.elapsedSeconds,
  };
}

/** Seconds until the last round, at the pace of the newest rounds; null where that cannot be said. */
export function secondsLeft(table: MetricsTable, numRounds: number): number | null {
  const PACE_OF = 8;
  const elapsed = table.column('elapsed');
  const rows = elapsed.flatMap((seconds, row) => (seconds === null ? [] : [row])).slice(-PACE_OF - 1);
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined || first === last) return null;
  const [from, to] = [elapsed[first] ?? 0, elapsed[last] ?? 0];
  const [start, end] = [table.rounds[first] ?? 0, table.rounds[last] ?? 0];
  return Math.max(0, numRounds - end) * ((to - from) / (end - start));
}

/** An exponential mean of a column, weighed so that it does not begin at 0; `weight` in [0, 1) is that of the past. */
export function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  if (weight === 0) return [...values];
  let sum = 0;
  let mass = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return sum / mass;
  });
}
