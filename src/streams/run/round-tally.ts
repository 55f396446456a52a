/** @file What is counted of a round while it is under way: scored images, verdicts, votes, dead letters. */

import {
  debounceTime,
  filter,
  firstValueFrom,
  ignoreElements,
  merge,
  type Observable,
  of,
  Subject,
  tap,
} from 'rxjs';
import type { CanaryChoice, JudgedMetric, ScoredMetric, TopicMessages } from '../messages/messages.js';
import type { RoundFeedback } from '../messages/run-events.js';
import { catalogTopic, type TopicName } from '../messages/topics.js';
import { receiveUnfinished } from '../stages/shared/receive-unfinished.js';
import type { Transport } from '../transport/contract/transport.js';

/** What was counted of one round. */
export interface Tally {
  readonly images: number;
  /** Images of the groups that the round was trained on. */
  readonly trainedImages: number;
  /** Images that the verifier has looked at. */
  readonly verified: number;
  readonly satisfied: number;
  /** Sum of the verifier's scores. */
  readonly score: number;
  readonly deadLetters: number;
  /** Of these, those that are not the reward model's fault: unreadable prompts, and wrong rewards that others wrote. */
  readonly deadElsewhere: number;
  /** What people said of the groups that the round was trained on; null if they said nothing. */
  readonly feedback: RoundFeedback | null;
  /** What people chose between two policies, by the order of the groups. */
  readonly choices: readonly CanaryChoice[];
}

/** How many groups of a round a reward stage has scored. */
interface ExpectedScores {
  /** Undefined where there is one alone. */
  readonly stage: string | undefined;
  readonly groups: number;
}

interface RoundTally {
  /** Counts scored groups and dead letters as they pass; emits nothing. */
  observe(transport: Transport<TopicMessages>): Observable<never>;
  /**
   * Resolves when these groups of a round are counted for each reward stage, or were judged by people, or after two seconds in
   * which nothing was: topics keep no order among each other, and nothing announces rewards from outside. Late and lost groups
   * may be counted too.
   */
  settled(round: number, groupIds: readonly string[], expected?: readonly ExpectedScores[]): Promise<void>;
  /**
   * Returns what was counted of a round, and forgets it and all before it.
   *
   * @param groupIds of the groups that the round was trained on.
   */
  take(round: number, groupIds: readonly string[]): Tally;
}

interface Seen {
  /** By group and reward stage: a group that was scored twice counts once. */
  readonly scored: Map<string, ScoredMetric>;
  /** By group. */
  readonly judged: Map<string, JudgedMetric>;
  readonly dead: Map<string, { readonly isElsewhere: boolean }>;
}

const MOST_QUIET_MS = 2000;
/** Topics whose letters say nothing about the reward model. */
const ELSEWHERE: readonly TopicName[] = ['prompts', 'rewards'];

/**
 * Counts each round separately, and takes the metrics of at most `maxGroups` groups at a time.
 *
 * @param kindOf tells which topic of the catalog one is like.
 */
export function roundTally(
  maxGroups: number,
  kindOf: (topic: string) => TopicName | undefined = catalogTopic,
): RoundTally {
  const rounds = new Map<number, Seen>();
  const turn$ = new Subject<void>();
  const seenOf = (round: number): Seen => {
    const seen = rounds.get(round) ?? { scored: new Map(), judged: new Map(), dead: new Map() };
    rounds.set(round, seen);
    return seen;
  };
  const countMetric = (metric: ScoredMetric | JudgedMetric) => {
    const { scored, judged } = seenOf(metric.round);
    if (metric.kind === 'judged') judged.set(metric.groupId, metric);
    else scored.set(scoreKey(metric.groupId, metric.stage), metric);
    turn$.next();
  };
  return {
    observe: (transport) =>
      merge(
        receiveUnfinished({ transport, topic: 'metrics', consumerGroup: 'run', maxInFlight: maxGroups }).pipe(
          tap(countMetric),
        ),
        transport.subscribe({ topic: 'dead-letters', consumerGroup: 'run', maxInFlight: 1 }).pipe(
          tap((delivery) => {
            const { key, message, headers } = delivery;
            // An incoming prompt that was refused belongs to no round.
            if ('round' in message)
              seenOf(message.round).dead.set(key, {
                isElsewhere: ELSEWHERE.includes(kindOf(headers.origin ?? '') ?? 'images'),
              });
            delivery.ack();
          }),
        ),
      ).pipe(ignoreElements()),
    async settled(round, groupIds, expected = [{ stage: undefined, groups: groupIds.length }]) {
      const isSettled = () => {
        const { scored, judged } = seenOf(round);
        return expected.every(
          ({ stage, groups }) =>
            scored.size + judged.size >= groups &&
            groupIds.filter((id) => judged.has(id) || scored.has(scoreKey(id, stage))).length >= groups,
        );
      };
      const changes$ = merge(of(undefined), turn$);
      await firstValueFrom(
        merge(changes$.pipe(filter(isSettled)), changes$.pipe(debounceTime(MOST_QUIET_MS))),
      );
    },
    take(round, groupIds) {
      const { scored, judged, dead } = seenOf(round);
      for (const seen of rounds.keys()) if (seen <= round) rounds.delete(seen);
      // The order of a sum changes its last bits, and topics keep no order.
      const metrics = [...scored].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, metric]) => metric);
      const imagesOf = new Map(metrics.map(({ groupId, images }) => [groupId, images]));
      const verified = metrics.flatMap(({ images, verdicts }) => (verdicts ? [{ images, ...verdicts }] : []));
      return {
        images: sum(metrics.map(({ images }) => images)),
        trainedImages: sum(groupIds.map((groupId) => imagesOf.get(groupId) ?? 0)),
        verified: sum(verified.map(({ images }) => images)),
        satisfied: sum(verified.map(({ satisfied }) => satisfied)),
        score: sum(verified.map(({ score }) => score)),
        deadLetters: dead.size,
        deadElsewhere: [...dead.values()].filter(({ isElsewhere }) => isElsewhere).length,
        feedback: feedbackOf(groupIds.flatMap((groupId) => judged.get(groupId) ?? [])),
        choices: groupIds.flatMap((groupId) => judged.get(groupId)?.choice ?? []),
      };
    },
  };
}

function feedbackOf(metrics: readonly JudgedMetric[]): RoundFeedback | null {
  if (metrics.length === 0) return null;
  return {
    groups: metrics.length,
    votes: sum(metrics.map(({ votes }) => votes)),
    agreement: sum(metrics.map(({ agreement }) => agreement)) / metrics.length,
    expiredGroups: Math.max(...metrics.map(({ expired }) => expired)),
    staleGroups: Math.max(...metrics.map(({ stale }) => stale)),
  };
}

const scoreKey = (groupId: string, stage: string | undefined) =>
  stage === undefined ? groupId : `${groupId}/${stage}`;

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
