/** @file Trajectories and rewards in, batches of one training stage out. */

import { concatMap, ignoreElements, map, merge, type Observable, Subject, tap } from 'rxjs';
import type { Trajectory } from '../../models/diffusion/sampler.js';
import type { AdvantageHistory, LostGroup } from '../../operators/index.js';
import { createAdvantageRule, discardStale, groupAdvantages, joinByGroup } from '../../operators/index.js';
import { stageOf } from '../config/stage-of.js';
import { RUN_KEY } from '../messages.js';
import type { StageContext } from './stage-context.js';
import { receive } from './stage-context.js';

/** Joins, discards what is too old, and closes training stages; every lost group counts as an outcome of its stage. */
export function advantagesStage(context: StageContext, history: AdvantageHistory): Observable<never> {
  const { transport, config, firstTrainingStage } = context;
  const { runAhead, groupsPerStage } = stageOf(config, 'prompts');
  const { maxStaleness } = stageOf(config, 'gradientSteps');
  const lost$ = new Subject<LostGroup>();
  const onLost = (group: LostGroup) => {
    context.say({
      kind: 'warning',
      message: `group ${group.groupId} is not trained on (${group.reason}): ${group.detail}`,
    });
    lost$.next(group);
  };
  const rewarded$ = receive(context, 'trajectories', 'trainer', 2 * runAhead).pipe(
    joinByGroup<Trajectory>({
      rewards$: receive(context, 'rewards', 'trainer', 2 * runAhead),
      maxPending: 2 * runAhead,
      maxRemembered: 8 * runAhead,
      onLost,
    }),
    discardStale({
      policyVersion$: transport.latest('policy').pipe(map(({ version }) => version)),
      interval$: transport.latest('schedule'),
      maxStaleness,
      maxHeld: 2 * runAhead,
      onLost,
    }),
    tap({ finalize: () => lost$.complete() }),
  );
  return merge(rewarded$, lost$).pipe(
    groupAdvantages<Trajectory>({
      rule: createAdvantageRule(stageOf(config, 'groupAdvantages')),
      groupsPerStage,
      maxOpenStages: 2 + Math.ceil(runAhead / groupsPerStage),
      firstTrainingStage,
      initialState: history,
    }),
    concatMap((closed) => transport.publish('batches', { key: RUN_KEY, message: closed })),
    ignoreElements(),
  );
}
