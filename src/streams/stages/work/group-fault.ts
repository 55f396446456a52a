import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';

/** What tells to which group a message belongs. */
export interface GroupClaim {
  readonly groupId: string;
  readonly round: number;
  /** Of messages that have one. */
  readonly groupIndex?: number;
}

/**
 * Returns what is wrong with the id of a group that anyone may have written, as a phrase `expected ..., got ...`; null where
 * a run of this config has such a group.
 */
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
