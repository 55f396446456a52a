import { treeWidths } from '../../../models/rollouts/fork-plans.js';
import type { Trajectory } from '../../../models/rollouts/sampler.js';
import type { RolloutGroup } from '../../../operators/index.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { PictureGroup } from '../../messages/messages.js';

/** @file What is wrong with messages that anyone may have written, each as a phrase `expected ..., got ...`; null if nothing is. */

/** Which group a message says it belongs to. */
interface GroupClaim {
  readonly groupId: string;
  readonly round: number;
  /** Of messages that have one. */
  readonly groupIndex?: number;
}

/** Returns a check that a run of this config has the group that a message names. */
export function groupFault(config: ResolvedConfig): (message: GroupClaim) => string | null {
  const { groupsPerRound, numRounds } = stageOf(config, 'prompts');
  return ({ groupId, round, groupIndex }) => {
    const match = /^(\d{1,9})-(\d{1,9})$/.exec(groupId);
    const index = Number(match?.[2]);
    const isKnown =
      match !== null && groupId === `${round}-${index}` && index < groupsPerRound && round < numRounds;
    if (!isKnown)
      return `expected a group <round>-<index> with a round below ${numRounds} and an index below ${groupsPerRound}, got ${JSON.stringify(groupId.slice(0, 40))} of round ${round}`;
    // Randomness is keyed by it.
    const counter = round * groupsPerRound + index;
    return groupIndex === undefined || groupIndex === counter
      ? null
      : `expected group ${groupId} to be the ${counter}th of the run, got ${groupIndex}`;
  };
}

/**
 * Returns a check that a sampler of this config may have made some rollouts. Whether their steps are trained now is up to
 * `discardStale`.
 */
export function rolloutFault(config: ResolvedConfig): (group: RolloutGroup<unknown>) => string | null {
  const sampler = stageOf(config, 'sampler');
  const { numInferenceSteps } = sampler;
  const faultOf = groupFault(config);
  return (group) => {
    const fault = faultOf(group);
    if (fault !== null) return fault;
    const { firstStep, numSteps, trainedSteps } = group.interval;
    if (numSteps !== numInferenceSteps)
      return `expected rollouts of ${numInferenceSteps} steps, got ${numSteps}`;
    const widths = treeWidths(sampler, trainedSteps, numInferenceSteps).slice(firstStep);
    const expected = treeText({ firstStep, widths });
    const got = treeText(group.tree);
    return expected === got ? null : `expected the tree ${expected}, got ${got}`;
  };
}

/** `3: 1, 2, 2`: nodes before step 3 and each after it, leaves last. */
function treeText({ firstStep, widths }: RolloutGroup<unknown>['tree']): string {
  return `${firstStep}: ${widths.join(', ')}`;
}

/**
 * Returns a check that trajectories may be trained on.
 *
 * @param latentSize numbers in a latent of the model.
 */
export function trajectoryFault(
  config: ResolvedConfig,
  latentSize: number,
): (group: RolloutGroup<Trajectory>) => string | null {
  const faultOf = rolloutFault(config);
  return (group) => {
    const sizes = group.branches.map(({ latents, logProbs }) => latents.length / (logProbs.length + 1));
    const other = sizes.find((size) => size !== latentSize);
    const fault = other === undefined ? null : `expected latents of ${latentSize} numbers, got ${other}`;
    return faultOf(group) ?? fault;
  };
}

/**
 * Returns a check that pictures may be scored.
 *
 * @param imageShape [C, H, W] of the pictures of the model.
 */
export function pictureFault(
  config: ResolvedConfig,
  imageShape: PictureGroup['imageShape'],
): (group: PictureGroup) => string | null {
  const faultOf = rolloutFault(config);
  return (group) => {
    const [expected, got] = [imageShape, group.imageShape].map((shape) => `[${shape.join(', ')}]`);
    const fault = expected === got ? null : `expected pictures of ${expected}, got ${got}`;
    return faultOf(group) ?? fault;
  };
}
