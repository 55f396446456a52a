/** @file A round of which operator stages left nothing. */

import { TributaryError } from '../../errors.js';
import type { LostGroup } from '../../operators/index.js';
import type { TrainableRound } from '../messages/messages.js';

/**
 * What is wrong where every group of a round was lost at operator stages, dropped or as a dead letter: a run that went
 * on would come to its end without learning. Null where a group has rewards or was lost elsewhere; a round without
 * rewards is never closed by time, so that none is late.
 */
export function lostAtOperators({ round, batch, lost }: TrainableRound): TributaryError | null {
  const stages = new Map<string, LostGroup[]>();
  for (const group of lost) {
    if (group.operator === undefined) return null;
    stages.set(group.operator, [...(stages.get(group.operator) ?? []), group]);
  }
  const [stage] = stages.keys();
  if (batch.statistics.groups > 0 || stage === undefined) return null;
  const said = Array.from(stages, ([name, of]) => `the operator stage "${name}" ${whatItDid(of)}`);
  const nextStep = lost.every(isDropped) ? 'Let some pass' : 'Correct the operator';
  return new TributaryError(
    'TRIB_REWARD',
    `round ${round}: expected a group with rewards, got none of ${lost.length}: ${said.join(', ')}. ${nextStep}, then resume: the run goes on with round ${round + 1}.`,
    { ...(stages.size === 1 && { stage }) },
  );
}

const isDropped = ({ reason }: LostGroup) => reason === 'dropped';

function whatItDid(lost: readonly LostGroup[]): string {
  const dropped = lost.filter(isDropped).length;
  const [first, ...others] = lost.filter((group) => !isDropped(group));
  if (first === undefined) return `dropped ${dropped}`;
  const letters = others.length === 0 ? '1 dead letter' : `${others.length + 1} dead letters`;
  return `${dropped === 0 ? '' : `dropped ${dropped} and `}made ${letters} ("${first.detail}")`;
}
