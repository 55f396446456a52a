import { at } from '../../../at.js';
import { treeWidths } from '../../../models/rollouts/fork-plans.js';
import type { Trajectory } from '../../../models/rollouts/sampler.js';
import { elementCount } from '../../../models/tensor.js';
import type { RolloutGroup } from '../../../operators/index.js';
import { bucketsOf } from '../../config/resolved/size-of.js';
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
 * @param latentShapes of the model: that of its pictures, or where they have several sizes, those of all.
 */
export function trajectoryFault(
  config: ResolvedConfig,
  latentShapes: readonly LatentShape[],
): (group: RolloutGroup<Trajectory>) => string | null {
  const faultOf = rolloutFault(config);
  const isSized = bucketsOf(config).length > 0;
  return (group) => {
    const fault = isSized ? shapeFault(group, latentShapes) : lengthFault(group, at(latentShapes, 0));
    return faultOf(group) ?? fault;
  };
}

type LatentShape = NonNullable<Trajectory['latentShape']>;

const latentLength = ({ latents, logProbs }: Trajectory) => latents.length / (logProbs.length + 1);

/** Where pictures have one size, trajectories need not name it. */
function lengthFault({ branches }: RolloutGroup<Trajectory>, shape: LatentShape): string | null {
  const size = elementCount(shape);
  const other = branches.map(latentLength).find((length) => length !== size);
  return other === undefined ? null : `expected latents of ${size} numbers, got ${other}`;
}

/** Latents of several shapes may be equally long. */
function shapeFault({ branches }: RolloutGroup<Trajectory>, shapes: readonly LatentShape[]): string | null {
  const first = branches[0]?.latentShape;
  const known = shapes.map((shape) => `[${shape.join(', ')}]`);
  const got = `[${first?.join(', ') ?? ''}]`;
  if (!known.includes(got)) return `expected latents of ${known.join(' or ')}, got ${got}`;
  const isAlike = (branch: Trajectory) =>
    branch.latentShape?.join() === first?.join() && latentLength(branch) === elementCount(first ?? []);
  const other = branches.find((branch) => !isAlike(branch));
  return other ? `expected latents of ${got} in all branches, got ${latentLength(other)} numbers` : null;
}

/**
 * Returns a check that pictures may be scored.
 *
 * @param imageShape [C, H, W] of the pictures of the model, where they have one size.
 */
export function pictureFault(
  config: ResolvedConfig,
  imageShape: PictureGroup['imageShape'],
): (group: PictureGroup) => string | null {
  const faultOf = rolloutFault(config);
  const sized = bucketsOf(config).map(({ width, height }) => [imageShape[0], height, width]);
  const known = (sized.length > 0 ? sized : [imageShape]).map((shape) => `[${shape.join(', ')}]`);
  return (group) => {
    const got = `[${group.imageShape.join(', ')}]`;
    const fault = known.includes(got) ? null : `expected pictures of ${known.join(' or ')}, got ${got}`;
    return faultOf(group) ?? fault;
  };
}
