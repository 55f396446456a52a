/** @file The figures of one run that the page is made from, as they stand in results.json. */
import * as z from 'zod';
import { figureSchema, type MetricsLine } from '../../directory/metrics-line.js';
import type { PromptSetEvaluation, RoundMetrics } from '../../messages/run-events.js';
import { networkPasses } from '../config/network-passes.js';

const figure = z.number({ error: 'expected a number' });
const nullable = figure.nullable();

const listSchema = z.object({
  prompts: figure,
  images: figure,
  verifiedAlignment: nullable,
  rewardMean: figureSchema,
  diversity: nullable,
});

const pointSchema = z.object({
  /** Rounds that were complete; 0 for the base model. */
  round: figure,
  /** Images scored for training until then. */
  rewardQueries: figure,
  /** Forward passes of one row through the network until then, a gradient counted as three; null where nobody counted. */
  networkPasses: nullable.default(null),
  /** Seconds of work until then, earlier evaluations included, those of the base model not. */
  elapsedSeconds: figure,
  train: listSchema,
  heldOut: listSchema,
});

const healthSchema = z.object({
  round: figure,
  groups: figure,
  selectedSamples: figure,
  zeroSpreadGroups: figure,
  intraGroupCorrelation: nullable,
  gradNorm: figureSchema,
  /** By sampler step, the noisiest first; null where unknown. */
  gradNormByStep: z.array(nullable, { error: 'expected a list' }),
  clipFraction: figureSchema,
  klToPretrained: nullable,
});

const nameSchema = {
  row: z.string({ error: 'expected the name of a row' }),
  seed: figure,
  fingerprint: z.string({ error: 'expected the fingerprint of a config' }),
};

export const runResultSchema = z.object({
  ...nameSchema,
  /** The machine it ran on; null where unknown. */
  machine: z.string({ error: 'expected the name of a machine' }).nullable(),
  /** In order, the base model first. */
  points: z.array(pointSchema, { error: 'expected a list' }).min(2, { error: 'expected two evaluations' }),
  rounds: z.array(healthSchema, { error: 'expected a list' }),
});

export const failedRunSchema = z.object({
  ...nameSchema,
  failure: z.string({ error: 'expected the message of a fault' }),
});

/** A finished run. */
export type RunResult = z.output<typeof runResultSchema>;
/** A run that failed. */
export type FailedRun = z.output<typeof failedRunSchema>;
export type EvaluationPoint = z.output<typeof pointSchema>;

/** Returns the evaluations and rounds of a log; null where the run is not finished. */
export function figuresOfRun(
  lines: readonly MetricsLine[],
  numRounds: number,
): Pick<RunResult, 'points' | 'rounds'> | null {
  const rounds = lines.filter((line) => line.kind === 'round');
  const evaluations = lines.filter((line) => line.kind === 'evaluation');
  // A run that was resumed may have measured one policy twice.
  const newest = evaluations.filter(({ round }, index) => evaluations[index + 1]?.round !== round);
  if (rounds.length < numRounds || newest[0]?.round !== 0) return null;
  if (newest.at(-1)?.round !== numRounds) return null;
  return {
    points: newest.map(({ round, train, heldOut }) => {
      const before = rounds.find((one) => one.round === round - 1);
      return {
        round,
        rewardQueries: before?.rewardQueries ?? 0,
        networkPasses: passesBefore(rounds, round),
        elapsedSeconds: before?.elapsedSeconds ?? 0,
        train: figuresOfList(train),
        heldOut: figuresOfList(heldOut),
      };
    }),
    rounds: rounds.map((round) => ({
      round: round.round,
      groups: round.groups,
      selectedSamples: round.selectedSamples,
      zeroSpreadGroups: round.zeroSpreadGroups,
      intraGroupCorrelation: round.intraGroupCorrelation,
      gradNorm: round.gradNorm,
      gradNormByStep: [...round.gradNormByStep],
      clipFraction: round.clipFraction,
      klToPretrained: round.klToPretrained,
    })),
  };
}

/** Passes of the rounds before one; null where a round did not count them. */
function passesBefore(rounds: readonly RoundMetrics[], end: number): number | null {
  let passes = 0;
  for (const { round, networkRows } of rounds) {
    if (round >= end) continue;
    if (!networkRows) return null;
    passes += networkPasses(networkRows);
  }
  return passes;
}

function figuresOfList({ prompts, images, verifiedAlignment, rewardMean, diversity }: PromptSetEvaluation) {
  return { prompts, images, verifiedAlignment, rewardMean, diversity };
}
