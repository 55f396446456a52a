/** @file Pictures in, rewards out. What the verifier says goes to the metrics, and nowhere else. */

import {
  concatMap,
  defer,
  filter,
  finalize,
  from,
  ignoreElements,
  merge,
  type Observable,
  Subject,
  tap,
} from 'rxjs';
import { type ErrorCode, TributaryError } from '../../../errors.js';
import { stageError } from '../../../operators/checks/faults.js';
import { namedParts } from '../../../operators/gathering/combined-parts.js';
import {
  type DeadLetter,
  type GroupRewards,
  type LostGroup,
  readLatest,
  scoreRewards,
} from '../../../operators/index.js';
import { metadataPart } from '../../../prompt-metadata.js';
import { rewardParts, type ScoringStage, scoringStages } from '../../config/resolved/reward-parts.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { PictureGroup, ScoredMetric } from '../../messages/messages.js';
import { pictureFault } from '../shared/group-faults.js';
import { closedGroups, receiveUnfinished } from '../shared/receive-unfinished.js';
import { reportWork } from '../shared/report-work.js';
import type { StageContext } from '../shared/stage-context.js';
import type { RewardThread } from './client.js';
import { groupsAtOnce } from './groups-at-once.js';
import type { Scores } from './reward-thread.js';

/** Errors that every other group would meet too: the reward model is gone, or the run is stopping. */
const FATAL: readonly string[] = ['TRIB_THREAD', 'TRIB_CANCELLED'] satisfies ErrorCode[];

/**
 * Scores every group. If a reward is not finite or beyond `maxMagnitude`, or a picture cannot be scored, the group becomes a
 * dead letter and is lost. A `retryable` fault is tried up to `transport.maxAttempts` times. Pictures that are not the
 * model's are refused, and cost no group. Where rewards are combined, a group whose prompt asks for other parts is passed over. A group whose round is closed is dropped, even while it is scored.
 *
 * Errors: when the reward model itself is gone.
 */
export function rewardStage(
  context: StageContext,
  { call: reward, imageShape }: RewardThread,
  source: ScoringStage,
): Observable<never> {
  const { transport, config } = context;
  const { runAhead } = stageOf(config, 'prompts');
  const isOneOfMany = scoringStages(config).length > 1;
  const part = rewardParts(config).find(({ stage }) => stage === source.name);
  const letters$ = new Subject<DeadLetter<PictureGroup>>();
  const report = reportWork('reward', context);
  const publish = (outcome: GroupRewards | LostGroup) =>
    transport.publish('rewards', { key: outcome.groupId, message: outcome });

  const score = async (
    { groupId, round, prompt, metadata, branches, imageShape: shape }: PictureGroup,
    signal: AbortSignal,
  ): Promise<readonly number[]> => {
    const ownShape = shape.join() === imageShape.join() ? {} : { imageShape: shape };
    const scores = await report.during(() =>
      reward.score({ prompt, images: branches, ...ownShape, ...metadataPart(metadata) }, { signal }),
    );
    await publishScored(context, { groupId, round, ...(isOneOfMany && { stage: source.name }) }, scores);
    report.done(round);
    return scores.rewards;
  };
  const lose = async (letter: DeadLetter<PictureGroup>): Promise<LostGroup> => {
    const { groupId, round } = letter.message;
    if (FATAL.includes(letter.code)) {
      const fault = new TributaryError(letter.code, letter.reason);
      throw stageError(fault, { stage: letter.stage, work: `group ${groupId}`, groupId });
    }
    const { stage, code, reason } = letter;
    const headers = { origin: 'images', stage, code, reason };
    await transport.publish('dead-letters', { key: groupId, message: letter.message, headers });
    return { groupId, round, reason: 'dead-letter', detail: letter.reason };
  };
  /** A prompt may name the parts that count. */
  const isAskedFor = ({ metadata }: PictureGroup) =>
    part === undefined || (namedParts(metadata)?.includes(part.name) ?? true);
  const pictures$ = receiveUnfinished({
    transport,
    topic: 'images',
    consumerGroup: isOneOfMany ? `rewards-${source.name}` : 'rewards',
    maxInFlight: 2 * runAhead,
    faultOf: pictureFault(config, imageShape),
  });
  const scored$ = readLatest(closedGroups(context), (closedGroups$) =>
    pictures$.pipe(
      filter(isAskedFor),
      scoreRewards<PictureGroup>({
        score: (group) => cancellable(context.canceling, (signal) => score(group, signal)),
        maxMagnitude: source.maxMagnitude,
        concurrency: groupsAtOnce(source),
        maxRetries: config.transport.maxAttempts - 1,
        maxQueued: 2 * runAhead,
        deadLetters: (letter) => letters$.next(letter),
        over$: ({ groupIndex }) => closedGroups$.pipe(filter((count) => groupIndex < count)),
      }),
    ),
  ).pipe(tap({ finalize: () => letters$.complete() }));
  return merge(scored$, letters$.pipe(concatMap(lose))).pipe(concatMap(publish), ignoreElements());
}

async function publishScored(
  { transport }: StageContext,
  scored: Pick<ScoredMetric, 'groupId' | 'round' | 'stage'>,
  { rewards, verdicts }: Scores,
): Promise<void> {
  const satisfied = verdicts?.filter((verdict) => verdict.satisfied).length ?? 0;
  const score = verdicts?.reduce((sum, verdict) => sum + verdict.score, 0) ?? 0;
  await transport.publish('metrics', {
    // Of one key the counter takes one at a time.
    key: scored.stage === undefined ? scored.groupId : `${scored.groupId}/${scored.stage}`,
    message: {
      kind: 'scored',
      ...scored,
      images: rewards.length,
      verdicts: verdicts && { satisfied, score },
    },
  });
}

/** Runs work once a subscription. Its signal is aborted with `outer`, and when the stream is left before the work is done. */
function cancellable<Out>(outer: AbortSignal, work: (signal: AbortSignal) => Promise<Out>): Observable<Out> {
  return defer(() => {
    const controller = new AbortController();
    const abort = () => controller.abort();
    if (outer.aborted) abort();
    outer.addEventListener('abort', abort, { once: true });
    return from(work(controller.signal)).pipe(
      finalize(() => {
        outer.removeEventListener('abort', abort);
        abort();
      }),
    );
  });
}
