import { EMPTY, NEVER, type Observable, of } from 'rxjs';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  type AdvantageHistory,
  type AdvantageRule,
  type AdvantageRuleSettings,
  admitByRunAhead,
  boundedMerge,
  branchCenteredRule,
  branchRollouts,
  type ClosedRound,
  createAdvantageRule,
  deadLetter,
  discardStale,
  type GroupRewards,
  gradientSteps,
  groupAdvantages,
  intervalSchedule,
  joinByGroup,
  type LostGroup,
  type PromptTicket,
  perPromptRule,
  type RewardedGroup,
  type RolloutGroup,
  raiseAlarms,
  readLatest,
  scoreRewards,
  type TrainingInterval,
} from '../../src/operators/index.js';

interface Latents {
  readonly latents: Float32Array;
}
interface Policy {
  readonly version: number;
}
const tickets$ = EMPTY as Observable<PromptTicket>;
const groups$ = EMPTY as Observable<RolloutGroup<Latents>>;
const rewards$ = EMPTY as Observable<GroupRewards>;
const outcomes$ = EMPTY as Observable<RewardedGroup<Latents> | LostGroup>;
const interval$ = NEVER as Observable<TrainingInterval>;
const rule = branchCenteredRule({ minGap: 0, keep: 'all' });
const bounds = { concurrency: 1, maxQueued: 1, deadLetters: () => {} };
const join = { rewards$, maxPending: 1, maxRemembered: 1, onLost: () => {} };
const rollouts = {
  schedule$: interval$,
  policy$: NEVER as Observable<Policy>,
  groupsPerBatch: 1,
  lingerMs: 1,
  maxQueued: 1,
};

describe('the types of the operators', () => {
  it('should infer the ticket from the iterable', () => {
    const result$ = of(0).pipe(admitByRunAhead({ runAhead: 1, tickets: [] as PromptTicket[] }));
    expectTypeOf(result$).toEqualTypeOf<Observable<PromptTicket>>();
    // @ts-expect-error counts are numbers
    of('0').pipe(admitByRunAhead({ runAhead: 1, tickets: [] }));
    // @ts-expect-error whether, not how many
    of(0).pipe(admitByRunAhead({ runAhead: 1, tickets: [], skipsFinished: 1 }));
  });

  it('should map stages to intervals', () => {
    const options = { spec: { mode: 'constant', steps: 1 }, numInferenceSteps: 2, numRounds: 3 } as const;
    expectTypeOf(of(0).pipe(intervalSchedule(options))).toEqualTypeOf<Observable<TrainingInterval>>();
    // @ts-expect-error a constant schedule has steps, not stages
    const wrong = () => intervalSchedule({ ...options, spec: { mode: 'constant', stages: [1] } });
    expectTypeOf(wrong).toBeFunction();
  });

  it('should infer the branch from the rollout, and the policy from its broadcast', () => {
    const result$ = tickets$.pipe(
      branchRollouts({
        ...rollouts,
        rollout: (tickets, interval, policy) => {
          expectTypeOf(tickets).toEqualTypeOf<readonly PromptTicket[]>();
          expectTypeOf(interval).toEqualTypeOf<TrainingInterval>();
          expectTypeOf(policy).toEqualTypeOf<Policy>();
          return of([] as RolloutGroup<Latents>[]);
        },
      }),
    );
    expectTypeOf(result$).toEqualTypeOf<Observable<RolloutGroup<Latents>>>();
    // @ts-expect-error a rollout gives groups, not branches
    tickets$.pipe(branchRollouts({ ...rollouts, rollout: () => of(['branch']) }));
  });

  it('should hand the whole group to the scorer', () => {
    const result$ = groups$.pipe(
      scoreRewards({
        ...bounds,
        score: (group: RolloutGroup<Latents>) => of(Float32Array.from(group.branches, () => 0)),
      }),
    );
    expectTypeOf(result$).toEqualTypeOf<Observable<GroupRewards>>();
    // @ts-expect-error rewards are numbers
    groups$.pipe(scoreRewards({ ...bounds, score: () => of(['good']) }));
    const isLeft = (group: RolloutGroup<Latents>) => of(group.groupIndex);
    groups$.pipe(scoreRewards({ ...bounds, over$: isLeft, score: (_: RolloutGroup<Latents>) => of([1]) }));
    // @ts-expect-error a scorer must be bounded
    const unbounded = () => scoreRewards({ deadLetters: () => {}, concurrency: 1, score: () => of([1]) });
    expectTypeOf(unbounded).toBeFunction();
  });

  it('should keep the branch through join, staleness and advantages', () => {
    const joined$ = groups$.pipe(joinByGroup(join));
    expectTypeOf(joined$).toEqualTypeOf<Observable<RewardedGroup<Latents>>>();
    const stale = { policyVersion$: of(0), interval$, maxStaleness: 0, maxHeld: 1, onLost: () => {} };
    const fresh$ = joined$.pipe(discardStale(stale));
    expectTypeOf(fresh$).toEqualTypeOf<Observable<RewardedGroup<Latents>>>();
    const stages$ = outcomes$.pipe(groupAdvantages({ rule, groupsPerRound: 1, maxOpenRounds: 1 }));
    expectTypeOf(stages$).toEqualTypeOf<Observable<ClosedRound<Latents>>>();
    const results$ = stages$.pipe(
      gradientSteps({
        maxQueued: 1,
        train: ({ batch, state }) => {
          expectTypeOf(state).toEqualTypeOf<AdvantageHistory>();
          return of(batch.samples.map(({ trajectory }) => trajectory.latents));
        },
      }),
    );
    expectTypeOf(results$).toEqualTypeOf<Observable<Float32Array[]>>();
    const timed$ = outcomes$.pipe(
      groupAdvantages({ rule, groupsPerRound: 1, maxOpenRounds: 1, closeAfterMs: 1000 }),
    );
    expectTypeOf(timed$).toEqualTypeOf<Observable<ClosedRound<Latents>>>();
    expect(() =>
      // @ts-expect-error milliseconds are a number
      groupAdvantages({ rule, groupsPerRound: 1, maxOpenRounds: 1, closeAfterMs: '1s' }),
    ).toThrow('closeAfterMs');
    // @ts-expect-error rounds are numbers
    groups$.pipe(joinByGroup({ ...join, round$: of('1') }));
    // @ts-expect-error groups without rewards have no advantage
    groups$.pipe(groupAdvantages({ rule, groupsPerRound: 1, maxOpenRounds: 1 }));
    // @ts-expect-error trained things belong to a round
    of(1).pipe(gradientSteps({ maxQueued: 1, train: () => of(1) }));
  });

  it('should infer messages of the building blocks', () => {
    const options = { stage: 'test', ...bounds };
    const lengths$ = of('a').pipe(deadLetter({ ...options, project: (message: string) => [message.length] }));
    expectTypeOf(lengths$).toEqualTypeOf<Observable<number>>();
    const merged$ = of('a').pipe(boundedMerge({ operator: 'test', ...bounds, project: () => of(true) }));
    expectTypeOf(merged$).toEqualTypeOf<Observable<boolean>>();
    expectTypeOf(readLatest(of(1), (newest$) => newest$)).toEqualTypeOf<Observable<number>>();
  });

  it('should let guards see the figures, and keep the words of their actions', () => {
    const start = () => (figures: { readonly load: number }) => figures.load;
    const guard = { name: 'load', threshold: 1, action: 'warn', start } as const;
    const alarms$ = of({ load: 2, other: true }).pipe(raiseAlarms([guard]));
    expectTypeOf(alarms$).toExtend<Observable<{ readonly action: 'warn'; readonly value: number }>>();
    // @ts-expect-error figures without what the guard looks at
    of({ other: true }).pipe(raiseAlarms([guard]));
  });

  it('should refuse the options of another rule', () => {
    // @ts-expect-error the per-prompt rule has no threshold
    const wrong = () => perPromptRule({ bufferSize: 1, minCount: 1, bestThreshold: 1 });
    // @ts-expect-error extremes or all
    const odd = () => branchCenteredRule({ minGap: 0, keep: 'best' });
    expectTypeOf([wrong, odd]).toBeArray();
  });

  it('should know the settings of a rule by its name', () => {
    expectTypeOf(createAdvantageRule({ rule: 'reward', center: 0, scale: 1 })).toEqualTypeOf<AdvantageRule>();
    expectTypeOf<Extract<AdvantageRuleSettings, { rule: 'group-z-score' }>>().toExtend<{
      readonly std: 'group' | 'global';
      readonly stdFloor: number;
    }>();
    // @ts-expect-error the settings of another rule
    const wrong = () => createAdvantageRule({ rule: 'same-depth', center: 0 });
    // @ts-expect-error no rule of this name
    const unknown = () => createAdvantageRule({ rule: 'best-of-n' });
    expectTypeOf([wrong, unknown]).toBeArray();
  });
});
