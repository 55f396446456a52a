/** @file Trajectories and rewards in, batches of one round out. */

import { concatMap, ignoreElements, map, merge, type Observable, Subject, skipWhile, tap } from 'rxjs';
import type { TributaryError } from '../../../errors.js';
import type { Trajectory } from '../../../models/rollouts/sampler.js';
import {
  type AdvantageHistory,
  createAdvantageRule,
  discardStale,
  type GroupRewards,
  groupAdvantages,
  joinByGroup,
  type LostGroup,
  type RewardedGroup,
} from '../../../operators/index.js';
import { mostGroups } from '../../config/resolved/derived-sizes.js';
import { isEvaluatedAfter } from '../../config/resolved/evaluated-after.js';
import { progressAt } from '../../config/resolved/progress-at.js';
import { rewardBound } from '../../config/resolved/reward-parts.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { RUN_KEY, type TrainableRound } from '../../messages/messages.js';
import type { Say } from '../../messages/run-events.js';
import { groupFault, trajectoryFault } from '../shared/group-faults.js';
import { receiveUnfinished } from '../shared/receive-unfinished.js';
import type { StageContext } from '../shared/stage-context.js';
import type { OpenedTrainer } from '../trainer/trainer-thread.js';
import { pickTrees } from './pick-trees.js';

/** Rewards that a group's rollouts do not fit, and why. */
type RefusedRewards = readonly [rewards: GroupRewards, fault: TributaryError];

/**
 * Joins trajectories with rewards, drops what is too old, and closes rounds by count or by time. Every lost group counts as
 * an outcome of its round. When a round is closed by time, the other stages are told before it is trained: it takes no more
 * groups.
 *
 * @param latentShapes of the model; other trajectories are refused.
 * @param onClosed called with a round before its batch is sent.
 */
export function advantagesStage(
  context: StageContext,
  history: AdvantageHistory,
  latentShapes: OpenedTrainer['latentShapes'],
  onClosed: (round: number) => void,
): Observable<never> {
  const { config, firstRound } = context;
  const { groupsPerRound } = stageOf(config, 'prompts');
  const { closeAfterMs, ...rule } = stageOf(config, 'advantages');
  const lost$ = new Subject<LostGroup>();
  const refused$ = new Subject<RefusedRewards>();
  const passedOver = countPassedOver(context.say);
  const rewarded$ = rewardedGroups(context, latentShapes, {
    passedOver,
    onRefused: (rewards, fault) => refused$.next([rewards, fault]),
    onLost(group) {
      const { groupId, reason, detail } = group;
      context.say({ kind: 'warning', message: `group ${groupId} is not trained on (${reason}): ${detail}` });
      lost$.next(group);
    },
  }).pipe(
    tap({
      finalize: () => {
        lost$.complete();
        refused$.complete();
      },
    }),
  );
  const batches$ = merge(rewarded$, lost$).pipe(
    groupAdvantages<Trajectory>({
      rule: createAdvantageRule(rule),
      groupsPerRound,
      maxOpenRounds: 2 + Math.ceil(mostGroups(config) / groupsPerRound),
      firstRound,
      initialState: history,
      closeAfterMs,
    }),
    tap(({ round }) => {
      passedOver.tell(round);
      onClosed(round);
    }),
    map(({ groups, ...closed }) => ({
      ...closed,
      groupIds: groups.map(({ groupId }) => groupId),
      pickedTrees: isDrawn(config, closed.round) ? pickTrees(config, { ...closed, groups }) : [],
    })),
    concatMap((closed) => send(context, closed)),
  );
  const buried$ = refused$.pipe(concatMap((refused) => bury(context, refused)));
  return merge(buried$, batches$).pipe(ignoreElements());
}

/** The first round, and those that an evaluation follows: a few of a run, spread over it. */
function isDrawn(config: ResolvedConfig, round: number): boolean {
  return round === 0 || isEvaluatedAfter(config, round + 1);
}

interface JoinEvents {
  readonly passedOver: PassedOver;
  readonly onRefused: (rewards: GroupRewards, fault: TributaryError) => void;
  readonly onLost: (group: LostGroup) => void;
}

/** Groups whose trajectories and rewards are both there, and may be trained on. */
function rewardedGroups(
  { transport, config, firstRound }: StageContext,
  latentShapes: OpenedTrainer['latentShapes'],
  { passedOver, onRefused, onLost }: JoinEvents,
): Observable<RewardedGroup<Trajectory>> {
  const { closeAfterMs } = stageOf(config, 'advantages');
  const { maxStaleness } = stageOf(config, 'trainer');
  const maxMagnitude = rewardBound(config);
  const maxGroups = mostGroups(config);
  // At first the topic may hold the interval of a run that was further than the checkpoint this one resumes from.
  const interval$ = transport.latest('schedule').pipe(skipWhile(({ round }) => round !== firstRound));
  const trainer = {
    transport,
    consumerGroup: 'trainer',
    maxInFlight: maxGroups,
    onLate: passedOver.late,
    onRepeat: passedOver.repeated,
  };
  const faultOf = trajectoryFault(config, latentShapes);
  return receiveUnfinished({ ...trainer, topic: 'trajectories', faultOf }).pipe(
    joinByGroup<Trajectory>({
      rewards$: receiveUnfinished({
        ...trainer,
        topic: 'rewards',
        // Of a group that an operator took the trajectories of, there are rewards and a loss.
        maxInFlight: 2 * maxGroups,
        faultOf: groupFault(config),
      }),
      maxPending: maxGroups,
      maxRemembered: 4 * maxGroups,
      onRepeated: passedOver.repeated,
      maxMagnitude,
      onRefused,
      onLost,
      // A round that closes by count leaves no half of a group behind.
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
  );
}

/** Somebody else wrote these rewards: those of the reward stage fit. */
function bury({ transport }: StageContext, [rewards, fault]: RefusedRewards): Promise<void> {
  const { code, message: reason } = fault;
  return transport.publish('dead-letters', {
    key: rewards.groupId,
    message: rewards,
    headers: { origin: 'rewards', stage: 'advantages', code, reason },
  });
}

async function send(
  { transport, config, control, trainPrompts, partialRounds }: StageContext,
  closed: TrainableRound,
): Promise<void> {
  const { round, batch } = closed;
  const isPartial = partialRounds?.close(closed) ?? false;
  const isNextClosed = batch.statistics.lateGroups > 0;
  if (isNextClosed || isPartial) {
    const message = progressAt(config, round, {
      ...{ isNextClosed, position: control.position(), trainPrompts, partialRounds: partialRounds?.list },
    });
    await transport.publish('progress', { key: RUN_KEY, message });
  }
  await transport.publish('batches', { key: RUN_KEY, message: closed });
}

interface PassedOver {
  /** Counts a reward, or trajectories, of a group that had some before, or was lost. */
  repeated(): void;
  /** Counts the same of a round that is trained. */
  late(): void;
  /** Says what was counted since the round before, if anything was. */
  tell(round: number): void;
}

/** Counts what the trainer receives and cannot use: delivery at least once and other writers bring such messages. */
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
