/** @file Rewards of several stages in, one reward a group out. */

import { concatMap, ignoreElements, map, type Observable } from 'rxjs';
import { combineRewards } from '../../../operators/index.js';
import { mostGroups } from '../../config/resolved/derived-sizes.js';
import { rewardParts } from '../../config/resolved/reward-parts.js';
import type { StageConfig } from '../../config/schema/topology-schema.js';
import { groupFault } from '../shared/group-faults.js';
import { receiveUnfinished } from '../shared/receive-unfinished.js';
import type { StageContext } from '../shared/stage-context.js';

/**
 * Combines the parts of every group of unfinished rounds. What it reads stays unanswered until its round is finished, so a
 * crash brings it back; what it writes again, the join drops.
 */
export function combineStage(
  context: StageContext,
  { by, parts: settings, deadlineMs }: StageConfig<'combine'>,
): Observable<never> {
  const { transport, config } = context;
  const maxPending = mostGroups(config);
  const received = { transport, consumerGroup: 'combine', maxInFlight: maxPending };
  const faultOf = groupFault(config);
  const ignore = () => undefined;
  const parts = rewardParts(config).map(({ name, topic }) => {
    const { weight, missing } = settings[name] ?? { weight: 1, missing: 'wait' };
    // The topic of a part carries rewards.
    const part = topic as 'rewards';
    const rewards$ = receiveUnfinished({ ...received, topic: part, faultOf, onRepeat: ignore });
    return { name, weight, missing, rewards$ };
  });
  return receiveUnfinished({ ...received, topic: 'prompts', faultOf, onRepeat: ignore }).pipe(
    combineRewards({
      by,
      parts,
      deadlineMs,
      maxPending,
      round$: transport.latest('progress').pipe(map(({ round }) => round)),
    }),
    concatMap((outcome) => transport.publish('rewards', { key: outcome.groupId, message: outcome })),
    ignoreElements(),
  );
}
