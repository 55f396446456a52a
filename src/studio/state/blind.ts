/** @file A blind test: which of two pictures a person prefers, without knowing where they come from. */

/** What was said of a pair; `first` and `second` are the two sides of the comparison, wherever they stood. */
export type Preference = 'first' | 'second' | 'same';

/** A prompt and a noise of both sides. */
export interface Pair {
  readonly row: number;
  readonly column: number;
}

/** A pair as it is shown. */
export interface Trial extends Pair {
  /** Whether the second side stands at the left. */
  readonly isSwapped: boolean;
}

export interface Answer extends Trial {
  readonly preference: Preference;
}

export interface PreferenceResult {
  readonly first: number;
  readonly second: number;
  readonly same: number;
  /** Wins of the second side over those of both; null before the first. */
  readonly winRate: number | null;
  /** 95 %, Wilson's score interval; null before the first win. */
  readonly interval: readonly [low: number, high: number] | null;
}

/** The 97.5th percentile of the normal distribution. */
const Z = 1.959963984540054;

/**
 * Wilson's score interval of a share: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), with p = wins / n; Wilson 1927,
 * equation 4 of Brown, Cai and DasGupta 2001.
 */
export function wilsonInterval(wins: number, trials: number): [low: number, high: number] {
  const [share, spread] = [wins / trials, Z ** 2 / trials];
  const middle = share + spread / 2;
  const half = Z * Math.sqrt((share * (1 - share)) / trials + spread / (4 * trials));
  return [Math.max(0, (middle - half) / (1 + spread)), Math.min(1, (middle + half) / (1 + spread))];
}

/** Counts the answers. Pairs without a difference are told, and left out of the rate. */
export function resultOf(answers: readonly Answer[]): PreferenceResult {
  const count = (wanted: Preference) => answers.filter(({ preference }) => preference === wanted).length;
  const [first, second, same] = [count('first'), count('second'), count('same')];
  const decided = first + second;
  return {
    first,
    second,
    same,
    winRate: decided === 0 ? null : second / decided,
    interval: decided === 0 ? null : wilsonInterval(second, decided),
  };
}

/** Draws a pair that was not shown yet, and which side stands at the left; null where all were. */
export function nextTrial(
  rows: readonly number[],
  columns: number,
  shown: readonly Pair[],
  random: () => number,
): Trial | null {
  const used = new Set(shown.map(({ row, column }) => `${row}-${column}`));
  const left = rows.flatMap((row) =>
    Array.from({ length: columns }, (_, column) => ({ row, column })).filter(
      (pair) => !used.has(`${pair.row}-${pair.column}`),
    ),
  );
  const pair = left[Math.floor(random() * left.length)];
  return pair ? { ...pair, isSwapped: random() < 0.5 } : null;
}

/** A number in [0, 1) that nobody can foresee. */
export function unforeseen(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;
}
