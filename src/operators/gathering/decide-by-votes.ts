import {
  asyncScheduler,
  ignoreElements,
  Observable,
  type OperatorFunction,
  type SchedulerLike,
  type Subscription,
  tap,
} from 'rxjs';
import { requireCount } from '../checks/option-checks.js';
import {
  decideFeedback,
  type FeedbackDecision,
  type FeedbackRuleName,
  type Judgment,
} from '../feedback/feedback-rules.js';

/** What happens to groups that wait for feedback. */
export type VoteEvent =
  /** A group waits from now on, until `expiresAt` in milliseconds of the scheduler's clock. */
  | {
      readonly kind: 'group';
      readonly groupId: string;
      readonly numPictures: number;
      readonly expiresAt: number;
    }
  | { readonly kind: 'vote'; readonly groupId: string; readonly voter: string; readonly judgment: Judgment }
  /** The votes of a person no longer count. */
  | { readonly kind: 'forget'; readonly voter: string }
  /** A group waits no longer. */
  | { readonly kind: 'remove'; readonly groupId: string };

/** What became of a group. */
export type VoteOutcome =
  | ({ readonly kind: 'decided'; readonly groupId: string; readonly votes: number } & FeedbackDecision)
  /** `deadline`: its time is over; `room`: more than `maxWaiting` groups would wait. */
  | { readonly kind: 'expired'; readonly groupId: string; readonly reason: 'deadline' | 'room' };

export interface DecideByVotesOptions {
  readonly rule: FeedbackRuleName;
  /** Votes after which the rule decides, at least 1. */
  readonly voters: number;
  /** How much a vote of somebody counts when a group is decided, above 0. Default: all alike. */
  readonly weightOf?: ((voter: string) => number) | undefined;
  /** Most groups that wait, at least 1; the oldest expires when there is one more. */
  readonly maxWaiting: number;
  /** Times the deadlines. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Decides groups by the votes of people.
 *
 * ```
 * source  a-b-1---2------     voters 1: vote 1 is for b, vote 2 for a, which expires at 6
 * result  ----d-x--------     d: b is decided; x: a is expired, and vote 2 counts for nothing
 * ```
 *
 * Of a voter who votes twice the first vote counts; to skip is no vote, and may be followed by one. A vote for a group that
 * does not wait is ignored, and so is a group that waits already.
 *
 * Time: emits a decision with the vote that makes it, and an expiry at its time, or with the group that takes its room. Completes
 * and errs with the source; groups that still wait then come to nothing. Holds `maxWaiting` groups, their votes, and a timer
 * each. Unsubscribing releases the source and the timers.
 *
 * Errors: TRIB_OPERATOR for a bound that is not a count.
 *
 * Example:
 * ```js
 * const group = { kind: 'group', groupId: 'g', numPictures: 2, expiresAt: Date.now() + 1000 };
 * const vote = { kind: 'vote', groupId: 'g', voter: 'ann', judgment: { best: 1 } };
 * const decided$ = of(group, vote).pipe(decideByVotes({ rule: 'best-of-n', voters: 1, maxWaiting: 1 }));
 * const result$ = decided$.pipe(map(({ groupId, rewards, agreement }) => [groupId, rewards, agreement]));
 * // [['g', [0, 1], 1]]
 * ```
 */
export function decideByVotes(options: DecideByVotesOptions): OperatorFunction<VoteEvent, VoteOutcome> {
  const { rule, voters, weightOf, maxWaiting, scheduler = asyncScheduler } = options;
  requireCount('decideByVotes', 'voters', voters, 1);
  requireCount('decideByVotes', 'maxWaiting', maxWaiting, 1);
  return (source) =>
    new Observable<VoteOutcome>((subscriber) => {
      const waiting = new Map<string, WaitingGroup>();
      const remove = (groupId: string): void => {
        waiting.get(groupId)?.timer.unsubscribe();
        waiting.delete(groupId);
      };
      const expire = (groupId: string, reason: 'deadline' | 'room'): void => {
        remove(groupId);
        subscriber.next({ kind: 'expired', groupId, reason });
      };
      const decide = (groupId: string, { votes, numPictures }: WaitingGroup): void => {
        const given = [...votes].filter(([, judgment]) => !('skip' in judgment));
        const judgments = given.map(([, judgment]) => judgment);
        if (judgments.length < voters) return;
        const weights = weightOf && given.map(([voter]) => weightOf(voter));
        const decision = decideFeedback(rule, judgments, numPictures, weights);
        if (decision === null) return;
        remove(groupId);
        subscriber.next({ kind: 'decided', groupId, votes: judgments.length, ...decision });
      };
      const take = (event: VoteEvent): void => {
        switch (event.kind) {
          case 'group': {
            const { groupId, numPictures, expiresAt } = event;
            if (waiting.has(groupId)) return;
            const [oldest] = waiting.keys();
            if (waiting.size === maxWaiting && oldest !== undefined) expire(oldest, 'room');
            const delay = Math.max(0, expiresAt - scheduler.now());
            const timer = scheduler.schedule(() => expire(groupId, 'deadline'), delay);
            waiting.set(groupId, { numPictures, votes: new Map(), timer });
            return;
          }
          case 'vote': {
            const group = waiting.get(event.groupId);
            const earlier = group?.votes.get(event.voter);
            if (!group || (earlier && !('skip' in earlier))) return;
            group.votes.set(event.voter, event.judgment);
            decide(event.groupId, group);
            return;
          }
          case 'forget':
            for (const { votes } of waiting.values()) votes.delete(event.voter);
            return;
          case 'remove':
            remove(event.groupId);
            return;
        }
      };
      subscriber.add(() => {
        for (const groupId of waiting.keys()) remove(groupId);
      });
      source.pipe(tap(take), ignoreElements()).subscribe(subscriber);
    });
}

interface WaitingGroup {
  readonly numPictures: number;
  /** By voter. */
  readonly votes: Map<string, Judgment>;
  readonly timer: Subscription;
}
