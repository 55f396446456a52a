/** @file Trajectories and rewards in, batches of one round out. */

import { concatMap, ignoreElements, map, merge, type Observable, Subject, skipWhile, tap } from 'rxjs';
import type { TributaryError } from '../../../errors.js';
import type { Trajectory } from '../../../models/rollouts/sampler.js';
import {
  type AdvantageHistory,
  type ClosedRound,
  createAdvantageRule,
  discardStale,
  type GroupRewards,
  groupAdvantages,
  joinByGroup,
  type LostGroup,
} from '../../../operators/index.js';
import { mostGroups } from '../../config/resolved/most-groups.js';
import { progressAt } from '../../config/resolved/progress-at.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import { RUN_KEY } from '../../messages/messages.js';
import type { Say } from '../../messages/run-events.js';
import { groupFault, trajectoryFault } from '../shared/group-faults.js';
import { receive } from '../shared/receive.js';
import type { StageContext } from '../shared/stage-context.js';

/**
 * Joins, discards what is too old, and closes rounds by count or by time; every lost group counts as an outcome of
 * its round. Of a round that is closed by time the others hear before it is trained: it takes no more groups.
 *
 * @param latentSize numbers in a latent of the model: trajectories of others are refused.
 * @param onClosed Hears of a round before its batch is sent.
 */
export function advantagesStage(
  context: StageContext,
  history: AdvantageHistory,
  latentSize: number,
  onClosed: (round: number) => void,
): Observable<never> {
  const { transport, config, firstRound } = context;
  const { groupsPerRound } = stageOf(config, 'prompts');
  const { closeAfterMs, ...rule } = stageOf(config, 'advantages');
  const { maxStaleness } = stageOf(config, 'trainer');
  const maxGroups = mostGroups(config);
  const { maxMagnitude } = stageOf(config, 'reward');
  const lost$ = new Subject<LostGroup>();
  const refused$ = new Subject<readonly [rewards: GroupRewards, fault: TributaryError]>();
  const onLost = (group: LostGroup) => {
    context.say({
      kind: 'warning',
      message: `group ${group.groupId} is not trained on (${group.reason}): ${group.detail}`,
    });
    lost$.next(group);
  };
  // What stands in the topic at first may be of a run that was further than the checkpoint which this one goes on from.
  const interval$ = transport.latest('schedule').pipe(skipWhile(({ round }) => round !== firstRound));
  const passedOver = countPassedOver(context.say);
  const trainer = {
    transport,
    consumerGroup: 'trainer',
    maxInFlight: maxGroups,
    onLate: passedOver.late,
    onRepeat: passedOver.repeated,
  };
  const trajectories$ = receive({
    ...trainer,
    topic: 'trajectories',
    faultOf: trajectoryFault(config, latentSize),
  });
  const rewarded$ = trajectories$.pipe(
    joinByGroup<Trajectory>({
      rewards$: receive({ ...trainer, topic: 'rewards', faultOf: groupFault(config) }),
      maxPending: maxGroups,
      maxRemembered: 4 * maxGroups,
      onRepeated: passedOver.repeated,
      maxMagnitude,
      onRefused: (rewards, fault) => refused$.next([rewards, fault]),
      onLost,
      // Else no half is left behind by a round.
      ...(closeAfterMs !== undefined && {
        round$: transport.latest('progress').pipe(map(({ round }) => round)),
      }),
    }),
    discardStale({
      // A version is the number of the round that samples with it, and topics keep no order among each other.
      policyVersion$: interval$.pipe(map(({ round }) => round)),
      interval$,
      maxStaleness,
      maxHeld: maxGroups,
      onLost,
    }),
    tap({
      finalize: () => {
        lost$.complete();
        refused$.complete();
      },
    }),
  );
  // Those of the reward stage are right: these were written by somebody else.
  const bury = ([rewards, { code, message: reason }]: readonly [GroupRewards, TributaryError]) =>
    transport.publish('dead-letters', {
      key: rewards.groupId,
      message: rewards,
      headers: { origin: 'rewards', stage: 'advantages', code, reason },
    });
  const send = async (closed: ClosedRound<Trajectory>): Promise<void> => {
    const { round, batch } = closed;
    if (batch.statistics.lateGroups > 0) {
      const message = progressAt(config, round, {
        isNextClosed: true,
        trainPrompts: context.trainPrompts,
      });
      await transport.publish('progress', { key: RUN_KEY, message });
    }
    await transport.publish('batches', { key: RUN_KEY, message: closed });
  };
  const batches$ = merge(rewarded$, lost$).pipe(
    groupAdvantages<Trajectory>({
      rule: createAdvantageRule(rule),
      groupsPerRound,
      maxOpenRounds: 2 + Math.ceil(maxGroups / groupsPerRound),
      firstRound,
      initialState: history,
      closeAfterMs,
    }),
    tap(({ round }) => {
      passedOver.tell(round);
      onClosed(round);
    }),
    concatMap(send),
  );
  return merge(refused$.pipe(concatMap(bury)), batches$).pipe(ignoreElements());
}

export interface PassedOver {
  /** A reward, or trajectories, of a group that had some before, or was lost. */
  repeated(): void;
  /** The same, of a round that is trained. */
  late(): void;
  /** Says what was counted since the round before; nothing where nothing was. */
  tell(round: number): void;
}

/** Counts what comes to the trainer and is of no use to it, which delivery at least once and other writers bring. */
export function countPassedOver(say: Say): PassedOver {
  let repeated = 0;
  let late = 0;
  return {
    repeated: () => {
      repeated += 1;
    },
    late: () => {
      late += 1;
    },
    tell(round) {
      if (repeated + late > 0) say({ kind: 'passed-over', round, repeated, late });
      repeated = 0;
      late = 0;
    },
  };
}
