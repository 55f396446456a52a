import { usesGuidance } from '../../../models/diffusion/guided-output.js';
import { createSurrogate } from '../../../models/objectives/index.js';
import { selectableBranches } from '../../../operators/index.js';
import type { ResolvedConfig, StageConfig } from '../schema/topology-schema.js';
import { stageOf } from './stage-of.js';
import { type StageTree, stageTrees } from './stage-trees.js';

/** Quantities that follow from a config. */
export interface DerivedSizes {
  /** In the first training stage; trees with a fork at every trained step grow with the interval. */
  readonly imagesPerStage: number;
  /** Over the whole run, one a training image; evaluation not counted. */
  readonly rewardQueries: number;
  /** Images of one evaluation. */
  readonly imagesPerEvaluation: number;
  /** Samples that the advantage rule can select in one training stage, at most. */
  readonly selectableSamples: number;
  /** At most, inner epochs included. */
  readonly optimizerStepsPerStage: number;
  /** Sampler steps that get gradients, of the first and of the last interval that the schedule comes to. */
  readonly trainedSteps: { readonly first: readonly number[]; readonly last: readonly number[] };
  /** Rows through the denoiser while sampling, over the whole run, guidance counted twice. */
  readonly samplingEvaluations: number;
  /** Forward-and-backward passes of single rows over the whole run, at most, guidance counted twice. */
  readonly trainingEvaluations: number;
}

/** The topology stages that decide what one training stage selects. */
interface Selecting {
  readonly noisySteps?: number | undefined;
  readonly prompts: StageConfig<'prompts'>;
  readonly sampler: StageConfig<'branchRollouts'>;
  readonly schedule: StageConfig<'intervalSchedule'>;
  readonly advantages: StageConfig<'groupAdvantages'>;
}

/** Samples that the advantage rule can select in one training stage, at most. */
export function selectableSamples({ prompts, sampler, schedule, advantages, noisySteps }: Selecting): number {
  const trees = stageTrees({ stages: { prompts, sampler, schedule } }, noisySteps);
  return prompts.groupsPerStage * selectableBranches(advantages, Math.max(1, ...trees.map(leavesOf)));
}

const leavesOf = (tree: StageTree | undefined) => tree?.widths.at(-1) ?? 1;
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Rows of the training graph in one stage with this tree, at most; each is a step, or a noised picture. */
function trainedRows(config: ResolvedConfig, tree: StageTree): number {
  const { interval, widths } = tree;
  const { groupsPerStage } = stageOf(config, 'prompts');
  const selectable = groupsPerStage * selectableBranches(stageOf(config, 'groupAdvantages'), leavesOf(tree));
  const { updates, surrogate: settings } = stageOf(config, 'gradientSteps');
  const surrogate = createSurrogate(settings);
  if (updates.from === 'replay') return updates.updatesPerStage * updates.transitionsPerUpdate;
  if (surrogate.trainsOn === 'denoising')
    return updates.innerEpochs * selectable * surrogate.timestepsPerSample;
  const edges = groupsPerStage * sum(interval.trainedSteps.map((step) => widths[step + 1] ?? 1));
  return updates.innerEpochs * Math.min(selectable * interval.trainedSteps.length, edges);
}

type StageUpdates = Extract<StageConfig<'gradientSteps'>['updates'], { from: 'stage' }>;

/** Optimizer steps that so many samples make: see `updateUnits`. */
function optimizerSteps(samples: number, { innerEpochs, samplesPerUpdate, remainder }: StageUpdates): number {
  if (remainder === 'carry') return Math.floor((innerEpochs * samples) / samplesPerUpdate);
  const ofEpoch = samples / samplesPerUpdate;
  return innerEpochs * (remainder === 'drop' ? Math.floor(ofEpoch) : Math.ceil(ofEpoch));
}

/**
 * Works out what a config amounts to.
 *
 * **Equation**: a group costs as many network rows as its tree has nodes before the leaves. B²-DiffuRL's has
 * (S - s + 1) + B (s - 1): the shared prefix and the branch point once, then B branches.
 * @param noisySteps - leading sampler steps that draw noise under the model's scheduler, default all.
 */
export function deriveSizes(config: ResolvedConfig, noisySteps?: number): DerivedSizes {
  const prompts = stageOf(config, 'prompts');
  const sampler = stageOf(config, 'branchRollouts');
  const schedule = stageOf(config, 'intervalSchedule');
  const advantages = stageOf(config, 'groupAdvantages');
  const { updates } = stageOf(config, 'gradientSteps');
  const trees = stageTrees(config, noisySteps);
  const selectable = selectableSamples({ prompts, sampler, schedule, advantages, noisySteps });
  const passes = usesGuidance(sampler.guidanceScale) ? 2 : 1;
  const overRun = (ofStage: (tree: StageTree) => number) =>
    sum(trees.map((tree) => tree.stages * ofStage(tree)));
  const { trainPrompts, heldOutPrompts, imagesPerPrompt } = config.evaluation;
  return {
    imagesPerStage: prompts.groupsPerStage * leavesOf(trees[0]),
    rewardQueries: prompts.groupsPerStage * overRun(leavesOf),
    imagesPerEvaluation: (trainPrompts + heldOutPrompts) * imagesPerPrompt,
    selectableSamples: selectable,
    optimizerStepsPerStage:
      updates.from === 'replay' ? updates.updatesPerStage : optimizerSteps(selectable, updates),
    trainedSteps: {
      first: trees[0]?.interval.trainedSteps ?? [],
      last: trees.at(-1)?.interval.trainedSteps ?? [],
    },
    samplingEvaluations: passes * prompts.groupsPerStage * overRun(({ widths }) => sum(widths.slice(0, -1))),
    trainingEvaluations: passes * overRun((tree) => trainedRows(config, tree)),
  };
}
