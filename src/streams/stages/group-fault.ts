import { stageOf } from '../config/stage-of.js';
import type { ResolvedConfig } from '../config/topology-schema.js';

/**
 * Returns what is wrong with the id of a group that anyone may have written, as a phrase `expected ..., got ...`; null where
 * a run of this config has such a group.
 */
export function groupFault(
  config: ResolvedConfig,
): (message: { readonly groupId: string; readonly trainingStage: number }) => string | null {
  const { groupsPerStage, numStages } = stageOf(config, 'prompts');
  return ({ groupId, trainingStage }) => {
    const index = /^(\d{1,9})-(\d{1,9})$/.exec(groupId);
    const isKnown =
      index !== null &&
      groupId === `${trainingStage}-${Number(index[2])}` &&
      Number(index[2]) < groupsPerStage &&
      trainingStage < numStages;
    return isKnown
      ? null
      : `expected a group <training stage>-<index> with a stage below ${numStages} and an index below ${groupsPerStage}, got ${JSON.stringify(groupId.slice(0, 40))} of training stage ${trainingStage}`;
  };
}
