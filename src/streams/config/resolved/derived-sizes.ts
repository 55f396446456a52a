import { at } from '../../../at.js';
import { createSurrogate } from '../../../models/objectives/index.js';
import { selectableBranches } from '../../../operators/index.js';
import type { ResolvedConfig, StageConfig } from '../schema/topology-schema.js';
import { type IntervalTree, intervalTrees } from './interval-trees.js';
import { type ModelFacts, passesOf } from './model-facts.js';
import { stageOf } from './stage-of.js';

/** Quantities that follow from a config. */
export interface DerivedSizes {
  /** In the first round; trees with a fork at every trained step grow with the interval. */
  readonly imagesPerRound: number;
  /** Over the whole run, one for each training image; evaluations are not counted. */
  readonly rewardQueries: number;
  /** Images of one evaluation. */
  readonly imagesPerEvaluation: number;
  /** Samples that the advantage rule can select in one round, at most. */
  readonly selectableSamples: number;
  /** At most, inner epochs included. */
  readonly optimizerStepsPerRound: number;
  /** Sampler steps that get gradients, of the first and of the last interval of the schedule. */
  readonly trainedSteps: { readonly first: readonly number[]; readonly last: readonly number[] };
  /** Rows through the denoiser while sampling, over the whole run, guidance counted twice. */
  readonly samplingEvaluations: number;
  /** Forward-and-backward passes of single rows over the whole run, at most, guidance counted twice. */
  readonly trainingEvaluations: number;
}

/** Samples that the advantage rule can select in a round of so many groups, at most. */
export function selectableSamples(
  trees: readonly IntervalTree[],
  advantages: StageConfig<'advantages'>,
  groupsPerRound: number,
): number {
  return groupsPerRound * selectableBranches(advantages, Math.max(1, ...trees.map(leavesOf)));
}

const leavesOf = ({ widths }: IntervalTree) => at(widths, -1);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Rows of the training graph in one round with this tree, at most; each is a step, or a noised picture. */
function trainedRows(config: ResolvedConfig, tree: IntervalTree): number {
  const { interval, widths } = tree;
  const { groupsPerRound } = stageOf(config, 'prompts');
  const selectable = groupsPerRound * selectableBranches(stageOf(config, 'advantages'), leavesOf(tree));
  const { updates, surrogate: settings } = stageOf(config, 'trainer');
  const surrogate = createSurrogate(settings);
  if (updates.from === 'replay') return updates.updatesPerRound * updates.transitionsPerUpdate;
  if (surrogate.trainsOn === 'denoising')
    return updates.innerEpochs * selectable * surrogate.timestepsPerSample;
  const edges = groupsPerRound * sum(interval.trainedSteps.map((step) => at(widths, step + 1)));
  return updates.innerEpochs * Math.min(selectable * interval.trainedSteps.length, edges);
}

type RoundUpdates = Extract<StageConfig<'trainer'>['updates'], { from: 'round' }>;

/** Optimizer steps that this many samples make: see `updateUnits`. */
function optimizerSteps(samples: number, { innerEpochs, samplesPerUpdate, remainder }: RoundUpdates): number {
  if (remainder === 'carry') return Math.floor((innerEpochs * samples) / samplesPerUpdate);
  const ofEpoch = samples / samplesPerUpdate;
  return innerEpochs * (remainder === 'drop' ? Math.floor(ofEpoch) : Math.ceil(ofEpoch));
}

/**
 * Returns the quantities that follow from a config.
 *
 * Equation: a group costs as many network rows as its tree has nodes before the leaves. B²-DiffuRL's has
 * (S - s + 1) + B (s - 1): the shared prefix and the branch point once, then B branches.
 * @param model - what is known of the config's model.
 */
export function deriveSizes(config: ResolvedConfig, model: ModelFacts = {}): DerivedSizes {
  const { noisySteps } = model;
  const prompts = stageOf(config, 'prompts');
  const sampler = stageOf(config, 'sampler');
  const { updates } = stageOf(config, 'trainer');
  const trees = intervalTrees(config, noisySteps);
  const selectable = selectableSamples(trees, stageOf(config, 'advantages'), prompts.groupsPerRound);
  const passes = passesOf(sampler.guidanceScale, model);
  const overRun = (ofRound: (tree: IntervalTree) => number) =>
    sum(trees.map((tree) => tree.rounds * ofRound(tree)));
  const { trainPrompts, heldOutPrompts, imagesPerPrompt } = config.evaluation;
  return {
    imagesPerRound: prompts.groupsPerRound * leavesOf(at(trees, 0)),
    rewardQueries: prompts.groupsPerRound * overRun(leavesOf),
    imagesPerEvaluation: (trainPrompts + heldOutPrompts) * imagesPerPrompt,
    selectableSamples: selectable,
    optimizerStepsPerRound:
      updates.from === 'replay' ? updates.updatesPerRound : optimizerSteps(selectable, updates),
    trainedSteps: {
      first: at(trees, 0).interval.trainedSteps,
      last: at(trees, -1).interval.trainedSteps,
    },
    samplingEvaluations: passes * prompts.groupsPerRound * overRun(({ widths }) => sum(widths.slice(0, -1))),
    trainingEvaluations: passes * overRun((tree) => trainedRows(config, tree)),
  };
}

/**
 * Returns the most groups that the trainer may hold at once: those in flight, and after a resume from its oldest
 * checkpoint all that came since.
 */
export function mostGroups(config: ResolvedConfig): number {
  const { keep, everyRounds } = config.checkpoints;
  return (1 + keep * everyRounds) * stageOf(config, 'prompts').runAhead;
}
