import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';

/** What tells to which group a message belongs. */
export interface GroupClaim {
  readonly groupId: string;
  readonly trainingStage: number;
  /** Of messages that have one. */
  readonly groupIndex?: number;
}

/**
 * Returns what is wrong with the id of a group that anyone may have written, as a phrase `expected ..., got ...`; null where
 * a run of this config has such a group.
 */
export function groupFault(config: ResolvedConfig): (message: GroupClaim) => string | null {
  const { groupsPerStage, numStages } = stageOf(config, 'prompts');
  return ({ groupId, trainingStage, groupIndex }) => {
    const match = /^(\d{1,9})-(\d{1,9})$/.exec(groupId);
    const index = Number(match?.[2]);
    const isKnown =
      match !== null &&
      groupId === `${trainingStage}-${index}` &&
      index < groupsPerStage &&
      trainingStage < numStages;
    if (!isKnown)
      return `expected a group <training stage>-<index> with a stage below ${numStages} and an index below ${groupsPerStage}, got ${JSON.stringify(groupId.slice(0, 40))} of training stage ${trainingStage}`;
    // Randomness is keyed by it.
    const counter = trainingStage * groupsPerStage + index;
    return groupIndex === undefined || groupIndex === counter
      ? null
      : `expected group ${groupId} to be the ${counter}th of the run, got ${groupIndex}`;
  };
}
