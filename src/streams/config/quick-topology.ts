/** @file A config made small: two rounds of a few groups, which show in a minute whether a run works. */

import { TributaryError } from '../../errors.js';
import { loadTopology } from './load-topology.js';
import { selectableSamples } from './resolved/derived-sizes.js';
import { intervalTrees } from './resolved/interval-trees.js';
import { findStage, stageOf } from './resolved/stage-of.js';
import type { ResolvedConfig } from './schema/topology-schema.js';
import { allDifferences, type Difference } from './source/first-difference.js';

const ROUNDS = 2;
/** Enough that a group without a gradient is not the end of a round. */
const LEAST_GROUPS = 4;
/** Prompts of each list, and pictures of each prompt. */
const MEASURED = 2;
/** Those that compare means, which are chance where so few pictures make them. */
const STATISTICAL_GUARDS = [
  'rewardCollapse',
  'zeroSpreadGroups',
  'diversityLoss',
  'rewardVerifierDivergence',
  'goldFall',
  'pictureDrift',
] as const;

interface QuickTopology {
  readonly config: ResolvedConfig;
  /** What is not as the file says. */
  readonly changes: readonly Difference[];
}

/**
 * Reads a topology and makes it small: two rounds of as few groups as its settings allow, four at least, a small
 * evaluation, prompts from the file, all in one process. Branches, steps, models and minibatches stay.
 *
 * Errors: as `loadTopology`.
 */
export async function loadQuickTopology(
  path: string,
  overrides: readonly string[],
  options?: Parameters<typeof loadTopology>[2],
): Promise<QuickTopology> {
  const whole = await loadTopology(path, overrides, options);
  const most = stageOf(whole, 'prompts').groupsPerRound;
  const { chunkSize, groupsPerBatch } = stageOf(whole, 'sampler');
  // A run of the network of a stated size divides the batches as they are.
  const inOne = chunkSize === undefined ? 1 : groupsPerBatch;
  for (let groups = Math.min(Math.ceil(LEAST_GROUPS / inOne) * inOne, most); ; groups += inOne) {
    try {
      const config = await loadTopology(path, [...overrides, ...quickOverrides(whole, groups)]);
      return { config, changes: allDifferences(whole, config) };
    } catch (error) {
      const mayFit = error instanceof TributaryError && error.code === 'TRIB_CONFIG' && groups < most;
      if (!mayFit) throw error;
    }
  }
}

/** What `--set` would be given. */
function quickOverrides(config: ResolvedConfig, groupsPerRound: number): string[] {
  const prompts = stageOf(config, 'prompts');
  const sampler = stageOf(config, 'sampler');
  const trainer = stageOf(config, 'trainer');
  const { updates } = trainer;
  const { trainPrompts, heldOutPrompts, imagesPerPrompt } = config.evaluation;
  const { numRounds, plannedRounds = numRounds, source } = prompts;
  const most = selectableSamples(intervalTrees(config), stageOf(config, 'advantages'), groupsPerRound);
  const values: [place: string, value: string | number][] = [
    ['name', `${config.name}-quick`],
    ['transport.kind', 'in-process'],
    [`stages.${prompts.name}.numRounds`, Math.min(ROUNDS, numRounds)],
    // The schedule is that of the whole run, whose first rounds these are.
    [`stages.${prompts.name}.plannedRounds`, plannedRounds],
    [`stages.${prompts.name}.groupsPerRound`, groupsPerRound],
    [`stages.${prompts.name}.runAhead`, groupsPerRound * (1 + trainer.maxStaleness)],
    ...(source.from === 'file'
      ? []
      : [[`stages.${prompts.name}.source`, quickSource(config)] as [string, string]]),
    [`stages.${sampler.name}.groupsPerBatch`, largestDivisor(groupsPerRound, sampler.groupsPerBatch)],
    ...(updates.from === 'replay'
      ? []
      : ([
          // The file may leave out both.
          [`stages.${trainer.name}.updates.from`, 'round'],
          [`stages.${trainer.name}.updates.samplesPerUpdate`, Math.min(updates.samplesPerUpdate, most)],
        ] as [string, string | number][])),
    ['evaluation.everyRounds', ROUNDS],
    ['evaluation.trainPrompts', Math.min(MEASURED, trainPrompts)],
    ['evaluation.heldOutPrompts', Math.min(MEASURED, heldOutPrompts)],
    ['evaluation.imagesPerPrompt', Math.min(MEASURED, imagesPerPrompt)],
    ...STATISTICAL_GUARDS.filter((guard) => config.guards[guard].action !== 'off').map(
      (guard): [string, string] => [`guards.${guard}.action`, 'off'],
    ),
  ];
  return values.map(([place, value]) => `${place}=${value}`);
}

/** The file, and what people decide on where there is a gateway. */
function quickSource(config: ResolvedConfig): string {
  const gateway = findStage(config, 'gateway');
  if (!gateway) return '{ from: file }';
  const sources = `{ ${gateway.name}: { from: topic, priority: 1 }, file: { from: file } }`;
  return `{ from: merge, sources: ${sources} }`;
}

/** Returns the largest divisor of a number that is not above another. */
function largestDivisor(of: number, most: number): number {
  let divisor = Math.min(of, most);
  while (of % divisor !== 0) divisor--;
  return divisor;
}
