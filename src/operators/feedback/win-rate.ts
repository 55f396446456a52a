/** @file How sure a win rate is, however often one looks at it. */

interface Counts {
  readonly wins: number;
  readonly losses: number;
}

/** Halvings of an interval of length 1: to the last bits of a double. */
const HALVINGS = 52;

/**
 * Returns an interval that holds the true win rate at all times at once with the given confidence, so that it may be
 * looked at after every choice, and a comparison ended as soon as it says enough.
 *
 * Equation: with w wins and l losses, n = w + l, and α = 1 - confidence, it holds each p with
 * ∫ q^w (1 - q)^l dq / (p^w (1 - p)^l) < 1 / α, the integral over [0, 1], which is 1 / ((n + 1) C(n, w)). The ratio is
 * a martingale of mean 1 where p is true, so by Ville's inequality it ever reaches 1 / α with probability α at most
 * (Robbins 1970, "Statistical methods related to the law of the iterated logarithm"; Howard, Ramdas, McAuliffe and
 * Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences", for the mixture by a beta
 * distribution, here the uniform one).
 *
 * Units: shares in [0, 1]; [0, 1] without a choice.
 */
export function winRateInterval(
  { wins, losses }: Counts,
  confidence: number,
): readonly [lower: number, upper: number] {
  const n = wins + losses;
  if (n === 0) return [0, 1];
  // log (n + 1) C(n, w)
  let logWeight = Math.log(n + 1);
  for (let k = 1; k <= Math.min(wins, losses); k++) logWeight += Math.log((n - k + 1) / k);
  const times = (count: number, log: number) => (count === 0 ? 0 : count * log);
  const isOutside = (p: number) =>
    times(wins, Math.log(p)) + times(losses, Math.log1p(-p)) + logWeight <= Math.log(1 - confidence);
  return [edge(0, wins / n, isOutside), edge(1, wins / n, isOutside)];
}

/** The place between one that may be outside and one inside from which on it is inside. */
function edge(outside: number, inside: number, isOutside: (p: number) => boolean): number {
  if (!isOutside(outside)) return outside;
  let [out, within] = [outside, inside];
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (out + within) / 2;
    if (isOutside(middle)) out = middle;
    else within = middle;
  }
  return out;
}
