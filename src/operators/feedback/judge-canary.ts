import { winRateInterval } from './win-rate.js';

/**
 * What people chose between the pictures of two policies: whose they liked better, 1 the newer's, -1 the older's, 0
 * neither's.
 */
export type Preference = -1 | 0 | 1;

/** Choices between a canary and the policy that it might replace. */
export interface CanaryTally {
  /** Choices of the canary's pictures. */
  readonly wins: number;
  readonly losses: number;
  readonly ties: number;
}

export interface CanaryRule {
  /** With which a verdict by choices is right, in (0, 1). */
  readonly confidence: number;
  /** Choices before a verdict by them. */
  readonly leastChoices: number;
  /** Rounds after which a canary against which the choices say nothing is promoted. */
  readonly mostRounds: number;
}

export interface CanaryJudgment {
  readonly verdict: 'hold' | 'promote' | 'roll-back';
  /** Of the win rate of the canary among the choices that are no ties. */
  readonly interval: readonly [lower: number, upper: number];
}

export const NO_CHOICES: CanaryTally = { wins: 0, losses: 0, ties: 0 };

/** Means of equal rewards may differ by this. */
const ROUNDING = 1e-9;

/** Adds a choice. */
export function withChoice({ wins, losses, ties }: CanaryTally, preference: Preference): CanaryTally {
  if (preference === 0) return { wins, losses, ties: ties + 1 };
  return preference > 0 ? { wins: wins + 1, losses, ties } : { wins, losses: losses + 1, ties };
}

/**
 * Judges a canary by the interval of its win rate (`winRateInterval`): it is promoted where the interval lies above
 * 1/2, rolled back where it lies below, and promoted after `mostRounds` where it holds 1/2. A tie says nothing of
 * which is better, and counts only toward `leastChoices`.
 */
export function judgeCanary(
  tally: CanaryTally,
  rounds: number,
  { confidence, leastChoices, mostRounds }: CanaryRule,
): CanaryJudgment {
  const interval = winRateInterval(tally, confidence);
  const [lower, upper] = interval;
  const isEnough = tally.wins + tally.losses + tally.ties >= leastChoices;
  if (isEnough && upper < 1 / 2) return { verdict: 'roll-back', interval };
  if ((isEnough && lower > 1 / 2) || rounds >= mostRounds) return { verdict: 'promote', interval };
  return { verdict: 'hold', interval };
}

/**
 * Returns whose pictures the rewards of a group prefer: the sign of the mean over the canary's pictures minus that
 * over the others. Where both policies are equally good and a fair chance dealt out the pictures, either sign is as
 * likely.
 *
 * @param pictures indices of the canary's.
 */
export function preferenceOf(rewards: readonly number[], pictures: readonly number[]): Preference {
  const meanOf = (isMeant: (index: number) => boolean) => {
    const meant = rewards.filter((_, index) => isMeant(index));
    return meant.reduce((sum, reward) => sum + reward, 0) / meant.length;
  };
  const isCanarys = (index: number) => pictures.includes(index);
  const difference = meanOf(isCanarys) - meanOf((index) => !isCanarys(index));
  return Math.abs(difference) < ROUNDING ? 0 : difference > 0 ? 1 : -1;
}
