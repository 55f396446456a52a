/** @file The groups of a round that the report shows, and what it needs of them. */

import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import type { RecordedStep } from '../../../models/rollouts/clean-guess.js';
import { treeWidths } from '../../../models/rollouts/fork-plans.js';
import type { Trajectory } from '../../../models/rollouts/sampler.js';
import { parsePrompt } from '../../../models/shapes/prompts/parse-prompt.js';
import type { ClosedRound, RewardedGroup, SelectedSample } from '../../../operators/index.js';
import { leavesPerNode } from '../../../rollout-tree.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { PickedTree } from '../../messages/round-trees.js';

/** Trees of a round. */
const MOST_TREES = 3;
/** Leaves of a tree. */
const MOST_LEAVES = 8;

/**
 * Picks a few groups of a round: the first that are trained on, of as many kinds of prompts as there are; then others. Their
 * latents are copied, so that the others can be freed.
 *
 * @returns none where branches share no step.
 */
export function pickTrees(
  config: ResolvedConfig,
  { groups, batch: { interval, samples } }: Pick<ClosedRound<Trajectory>, 'groups' | 'batch'>,
): PickedTree[] {
  if (interval === null) return [];
  const { trainedSteps, numSteps } = interval;
  const widths = treeWidths(stageOf(config, 'sampler'), trainedSteps, numSteps);
  if (at(widths, 0) === at(widths, -1)) return [];
  const trained = new Set(samples.map(({ groupId }) => groupId));
  const taught = groups.filter(({ groupId }) => trained.has(groupId));
  const others = groups.filter(({ groupId }) => !trained.has(groupId));
  const kindOf = ({ prompt }: { readonly prompt: string }) =>
    config.evaluation.verifier === 'shapes' ? templateOf(prompt) : prompt;
  return inTurn([...taught, ...others], kindOf)
    .slice(0, MOST_TREES)
    .map((group) => {
      const own = samples.filter(({ groupId }) => groupId === group.groupId);
      return pickTree(group, { widths, samples: own });
    });
}

/** The first of every kind, then the second of every kind, and so on. */
function inTurn<Item>(items: readonly Item[], kindOf: (item: Item) => string): Item[] {
  const counts = new Map<string, number>();
  const turns = items.map((item) => {
    const turn = counts.get(kindOf(item)) ?? 0;
    counts.set(kindOf(item), turn + 1);
    return { item, turn };
  });
  return turns.toSorted((a, b) => a.turn - b.turn).map(({ item }) => item);
}

/** A reward from outside may be of a prompt that the verifier could not read. */
function templateOf(prompt: string): string {
  try {
    return parsePrompt(prompt).template;
  } catch (error) {
    if (error instanceof TributaryError && error.code === 'TRIB_PROMPT') return prompt;
    throw error;
  }
}

interface TreeOptions {
  readonly widths: readonly number[];
  readonly samples: readonly SelectedSample<Trajectory>[];
}

function pickTree(group: RewardedGroup<Trajectory>, { widths, samples }: TreeOptions): PickedTree {
  const {
    groupId,
    noiseIndex: groupIndex = group.groupIndex,
    prompt,
    interval,
    rewards,
    branches,
    tree,
  } = group;
  const sampleOf = new Map(samples.map((sample) => [sample.branch, sample]));
  const numLeaves = at(widths, -1);
  const nodeOf = (leaf: number, step: number) => Math.floor((leaf * at(widths, step)) / numLeaves);
  /** The leaf whose path holds the step that leads to a node, and with it the latents before and after. */
  const ownerOf = (leaf: number, step: number) => {
    const leaves = leavesPerNode(tree, step + 1 - tree.firstStep);
    return leaf - (leaf % leaves);
  };
  const latentsOf = (owner: number, step: number) => {
    const { latents, firstStep, logProbs } = at(branches, owner);
    const size = latents.length / (logProbs.length + 1);
    return latents.slice((step - firstStep) * size, (step - firstStep + 1) * size);
  };
  const creditOf = (leaf: number, step: number): number | null => {
    if (!interval.trainedSteps.includes(step)) return null;
    const sample = sampleOf.get(ownerOf(leaf, step));
    if (!sample) return null;
    const { stepAdvantages, advantage, trajectory } = sample;
    return stepAdvantages ? at(stepAdvantages, step - trajectory.firstStep) : advantage;
  };
  const steps = Array.from({ length: interval.numSteps }, (_, step) => step);
  const shown = shownLeaves(rewards, sampleOf);

  const recordedAt = (step: number, node: number): RecordedStep | null => {
    if (step < tree.firstStep) return null;
    const owners = new Set(
      shown.filter((leaf) => nodeOf(leaf, step) === node).map((leaf) => ownerOf(leaf, step)),
    );
    const next = Array.from(owners, (owner) => ({
      branch: nodeOf(owner, step + 1),
      latents: latentsOf(owner, step + 1),
    }));
    const [first] = owners;
    return first === undefined ? null : { groupIndex, step, latents: latentsOf(first, step), next };
  };
  const nodesAt = (step: number) => [...new Set(shown.map((leaf) => nodeOf(leaf, step)))];
  const forks = steps
    .filter((step) => at(widths, step + 1) > at(widths, step))
    .flatMap((step) => nodesAt(step).map((node) => ({ step, node, recorded: recordedAt(step, node) })));
  const leaves = shown.map((branch) => ({
    branch,
    reward: at(rewards, branch),
    advantage: sampleOf.get(branch)?.advantage ?? null,
    credit: steps.map((step) => creditOf(branch, step)),
    latents: latentsOf(branch, interval.numSteps),
  }));
  const { latentShape } = at(branches, 0);
  return { groupId, prompt, widths, leaves, forks, ...(latentShape && { latentShape }) };
}

/** The branches that are trained on, those with the largest advantages first; then others. In the order of their index. */
function shownLeaves(
  rewards: readonly number[],
  sampleOf: ReadonlyMap<number, SelectedSample<Trajectory>>,
): number[] {
  const size = (branch: number) => {
    const sample = sampleOf.get(branch);
    return sample ? Math.abs(sample.advantage) : -1;
  };
  return rewards
    .map((_, branch) => branch)
    .toSorted((a, b) => size(b) - size(a))
    .slice(0, MOST_LEAVES)
    .sort((a, b) => a - b);
}
