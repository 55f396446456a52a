/** @file The figures of one run that the page is made from, as they stand in results.json. */
import { z } from 'zod';
import { figureSchema, type MetricsLine } from '../../directory/metrics-line.js';
import type { PromptSetEvaluation } from '../../messages/run-events.js';

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
  /** Training stages that were complete; 0 for the base model. */
  trainingStage: figure,
  /** Images scored for training until then. */
  rewardQueries: figure,
  /** Seconds of work until then, earlier evaluations included, those of the base model not. */
  elapsedSeconds: figure,
  train: listSchema,
  heldOut: listSchema,
});

const healthSchema = z.object({
  trainingStage: figure,
  groups: figure,
  selectedSamples: figure,
  zeroSpreadGroups: figure,
  intraGroupCorrelation: nullable,
  gradNorm: figureSchema,
  /** By sampler step, the noisiest first; null where it is not known. */
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
  /** What it ran on; null where that is not known. */
  machine: z.string({ error: 'expected the name of a machine' }).nullable(),
  /** In order, the base model first. */
  points: z.array(pointSchema, { error: 'expected a list' }).min(2, { error: 'expected two evaluations' }),
  stages: z.array(healthSchema, { error: 'expected a list' }),
});

export const failedRunSchema = z.object({
  ...nameSchema,
  failure: z.string({ error: 'expected the message of a fault' }),
});

/** A run that came to its end. */
export type RunResult = z.output<typeof runResultSchema>;
/** A run that could not. */
export type FailedRun = z.output<typeof failedRunSchema>;
export type EvaluationPoint = z.output<typeof pointSchema>;

/** Returns the evaluations and stages of a log; null where the run has not come to its end. */
export function figuresOfRun(
  lines: readonly MetricsLine[],
  numStages: number,
): Pick<RunResult, 'points' | 'stages'> | null {
  const stages = lines.filter((line) => line.kind === 'stage');
  const evaluations = lines.filter((line) => line.kind === 'evaluation');
  // A run that was resumed may have measured one policy twice.
  const newest = evaluations.filter(
    ({ trainingStage }, index) => evaluations[index + 1]?.trainingStage !== trainingStage,
  );
  if (stages.length < numStages || newest[0]?.trainingStage !== 0) return null;
  if (newest.at(-1)?.trainingStage !== numStages) return null;
  return {
    points: newest.map(({ trainingStage, train, heldOut }) => {
      const before = stages.find((stage) => stage.trainingStage === trainingStage - 1);
      return {
        trainingStage,
        rewardQueries: before?.rewardQueries ?? 0,
        elapsedSeconds: before?.elapsedSeconds ?? 0,
        train: figuresOfList(train),
        heldOut: figuresOfList(heldOut),
      };
    }),
    stages: stages.map((stage) => ({
      trainingStage: stage.trainingStage,
      groups: stage.groups,
      selectedSamples: stage.selectedSamples,
      zeroSpreadGroups: stage.zeroSpreadGroups,
      intraGroupCorrelation: stage.intraGroupCorrelation,
      gradNorm: stage.gradNorm,
      gradNormByStep: [...stage.gradNormByStep],
      clipFraction: stage.clipFraction,
      klToPretrained: stage.klToPretrained,
    })),
  };
}

function figuresOfList({ prompts, images, verifiedAlignment, rewardMean, diversity }: PromptSetEvaluation) {
  return { prompts, images, verifiedAlignment, rewardMean, diversity };
}
