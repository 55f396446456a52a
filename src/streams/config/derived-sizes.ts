import { trainingIntervalAt } from '../../operators/interval-schedule.js';
import { stageOf } from './stage-of.js';
import type { ResolvedConfig, StageConfig } from './topology-schema.js';

/** Quantities that follow from a config. */
export interface DerivedSizes {
  readonly imagesPerStage: number;
  /** Over the whole run, one a training image; evaluation not counted. */
  readonly rewardQueries: number;
  /** Images of one evaluation. */
  readonly imagesPerEvaluation: number;
  /** Samples that the advantage rule can select in one training stage, at most. */
  readonly selectableSamples: number;
  /** At most, inner epochs included. */
  readonly optimizerStepsPerStage: number;
  /** Steps that get gradients, in the first and in the last training stage. */
  readonly trainedSteps: { readonly first: number; readonly last: number };
  /** Sampler steps of single images through the denoiser over the whole run, guidance counted twice. */
  readonly samplingEvaluations: number;
  /** Forward-and-backward passes of single rows over the whole run, at most, guidance counted twice. */
  readonly trainingEvaluations: number;
}

/** Samples that the advantage rule can select in one training stage, at most. */
export function selectableSamples({
  prompts,
  sampler,
  advantages,
}: {
  readonly prompts: StageConfig<'prompts'>;
  readonly sampler: StageConfig<'branchRollouts'>;
  readonly advantages: StageConfig<'groupAdvantages'>;
}): number {
  const isExtremes =
    advantages.rule === 'history' || (advantages.rule === 'branch-centred' && advantages.keep === 'extremes');
  return prompts.groupsPerStage * (isExtremes ? Math.min(2, sampler.numBranches) : sampler.numBranches);
}

/** Trained steps of every training stage, in order: s(k) of S sampler steps. */
function trainedStepCounts({
  prompts,
  sampler,
  schedule,
}: {
  readonly prompts: StageConfig<'prompts'>;
  readonly sampler: StageConfig<'branchRollouts'>;
  readonly schedule: StageConfig<'intervalSchedule'>;
}): number[] {
  const { numStages } = prompts;
  return Array.from({ length: numStages }, (_, trainingStage) => {
    const interval = trainingIntervalAt(schedule, trainingStage, sampler.numInferenceSteps, numStages);
    return interval.numSteps - interval.firstStep;
  });
}

/**
 * Works out what a config amounts to.
 *
 * **Equation**: a group costs (S - s) + B s sampler steps: the shared prefix once, then B branches of s steps.
 */
export function deriveSizes(config: ResolvedConfig): DerivedSizes {
  const prompts = stageOf(config, 'prompts');
  const sampler = stageOf(config, 'branchRollouts');
  const schedule = stageOf(config, 'intervalSchedule');
  const advantages = stageOf(config, 'groupAdvantages');
  const trainer = stageOf(config, 'gradientSteps');
  const counts = trainedStepCounts({ prompts, sampler, schedule });
  const selectable = selectableSamples({ prompts, sampler, advantages });
  const imagesPerStage = prompts.groupsPerStage * sampler.numBranches;
  const passes = sampler.guidanceScale === 1 ? 1 : 2;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const { trainPrompts, heldOutPrompts, imagesPerPrompt } = config.evaluation;
  return {
    imagesPerStage,
    rewardQueries: imagesPerStage * prompts.numStages,
    imagesPerEvaluation: (trainPrompts + heldOutPrompts) * imagesPerPrompt,
    selectableSamples: selectable,
    optimizerStepsPerStage: trainer.innerEpochs * Math.ceil(selectable / trainer.samplesPerUpdate),
    trainedSteps: { first: counts[0] ?? 0, last: counts.at(-1) ?? 0 },
    samplingEvaluations:
      passes *
      prompts.groupsPerStage *
      sum(counts.map((s) => sampler.numInferenceSteps - s + sampler.numBranches * s)),
    trainingEvaluations: passes * selectable * trainer.innerEpochs * sum(counts),
  };
}
