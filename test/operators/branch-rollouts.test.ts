import { BehaviorSubject, of, Subject, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { TributaryError } from '../../src/errors.js';
import { type BranchRolloutsOptions, branchRollouts } from '../../src/operators/branch-rollouts.js';
import type { PromptTicket, RolloutGroup, TrainingInterval } from '../../src/operators/records/records.js';
import { forkAt, interval, ticket } from './groups.js';
import { marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

interface Policy {
  readonly version: number;
}
type Options = BranchRolloutsOptions<Policy, string>;

const inputs = {
  a: ticket(0, 0),
  b: ticket(0, 1),
  c: ticket(0, 2),
  d: ticket(0, 3),
  e: ticket(1, 0),
  f: ticket(1, 1),
};
const policies = { p: { version: 0 }, q: { version: 1 } };
const intervals = { i: interval(0), j: interval(1) };

/** The groups of a batch; a branch says what the rollout was given. */
const groupsOf = (
  tickets: readonly PromptTicket[],
  on: TrainingInterval,
  policy: Policy,
): RolloutGroup<string>[] =>
  tickets.map((one) => ({
    ...one,
    interval: on,
    tree: forkAt(on, 1),
    policyVersion: policy.version,
    branches: [`${one.groupId} from step ${on.firstStep} by ${policy.version}`],
  }));
const rolledOut = (one: PromptTicket, on: TrainingInterval, policy: Policy) => groupsOf([one], on, policy)[0];

const plain: Omit<Options, 'rollout'> = {
  schedule$: of(intervals.i),
  policy$: of(policies.p),
  groupsPerBatch: 2,
  lingerMs: 20,
  maxQueued: 3,
};
const outputs = {
  a: rolledOut(inputs.a, intervals.i, policies.p),
  b: rolledOut(inputs.b, intervals.i, policies.p),
  c: rolledOut(inputs.c, intervals.i, policies.p),
  d: rolledOut(inputs.d, intervals.i, policies.p),
  C: rolledOut(inputs.c, intervals.i, policies.q),
  D: rolledOut(inputs.d, intervals.i, policies.q),
  E: rolledOut(inputs.e, intervals.j, policies.q),
  F: rolledOut(inputs.f, intervals.j, policies.q),
};

describeOperator('branchRollouts', {
  create: () =>
    branchRollouts({ ...plain, groupsPerBatch: 1, rollout: (...given) => of(groupsOf(...given)) }),
  inputs,
  outputs,
  source: '-a---b-|',
  result: '-a---b-|',
  synchronous: [inputs.a],
});

describe('branchRollouts', () => {
  it('should give each batch the policy that is newest when it starts, and emit groups one by one', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const policy$ = cold('  p----q-------', policies);
      const source$ = cold('  a-b-c-d-----|', inputs);
      const expected = '      ----(ab)(CD)|'; // [cd] is full at column 6, after q
      const result$ = source$.pipe(
        branchRollouts({
          ...plain,
          policy$,
          rollout: (...given) => cold('--(r|)', { r: groupsOf(...given) }),
        }),
      );
      expectObservable(result$).toBe(expected, outputs);
      expectSubscriptions(source$.subscriptions).toBe('^-----------!');
      expectSubscriptions(policy$.subscriptions).toBe('^-----------!');
    }));

  it('should wait for the first schedule and the first policy', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const schedule$ = cold('  -----i----', intervals);
      const policy$ = cold('    ---p------', policies);
      const source$ = cold('    ab--------|', inputs);
      const expected = '        -----(ab)-|';
      const rollout: Options['rollout'] = (...given) => of(groupsOf(...given));
      expectObservable(source$.pipe(branchRollouts({ ...plain, schedule$, policy$, rollout }))).toBe(
        expected,
        outputs,
      );
      expectSubscriptions(schedule$.subscriptions).toBe('^---------!');
    }));

  it('should hold a batch until schedule and policy are ready for its round', () =>
    marbles(({ cold, expectObservable }) => {
      const schedule$ = cold('  i---j------', intervals);
      const policy$ = cold('    p------q---', policies);
      const source$ = cold('    -ef--------|', inputs);
      const expected = '        -------(EF)|';
      const isReady: Options['isReady'] = (round, on, policy) =>
        on.round === round && policy.version === round;
      const rollout: Options['rollout'] = (...given) => of(groupsOf(...given));
      expectObservable(source$.pipe(branchRollouts({ ...plain, schedule$, policy$, isReady, rollout }))).toBe(
        expected,
        outputs,
      );
    }));

  it('should see what the trainer published just before the tickets of the next round', () => {
    const schedule$ = new BehaviorSubject<TrainingInterval>(intervals.i);
    const policy$ = new BehaviorSubject<Policy>(policies.p);
    const tickets$ = new Subject<PromptTicket>();
    const branches: string[] = [];
    const rollout: Options['rollout'] = (...given) => of(groupsOf(...given));
    tickets$.pipe(branchRollouts({ ...plain, schedule$, policy$, rollout })).subscribe((group) => {
      branches.push(...group.branches);
      if (group.groupId !== '0-1') return;
      // The trainer, called from inside the stream as in one process.
      policy$.next(policies.q);
      schedule$.next(intervals.j);
      tickets$.next(inputs.e);
      tickets$.next(inputs.f);
    });
    tickets$.next(inputs.a);
    tickets$.next(inputs.b);
    expect(branches).toEqual([
      '0-0 from step 6 by 0',
      '0-1 from step 6 by 0',
      '1-0 from step 5 by 1',
      '1-1 from step 5 by 1',
    ]);
  });

  it('should name the round of a rollout that fails, and keep its code', () => {
    const broken = new TributaryError('TRIB_ENGINE', 'engine: out of memory. Lower `groupsPerBatch`.', {
      retryable: true,
    });
    for (const rollout of [
      () => throwError(() => broken),
      () => {
        throw broken;
      },
    ]) {
      let fault: unknown;
      of(inputs.e)
        .pipe(branchRollouts({ ...plain, rollout }))
        .subscribe({ error: (error: unknown) => (fault = error) });
      expect(fault).toMatchObject({
        code: 'TRIB_ENGINE',
        retryable: true,
        stage: 'sampler',
        message: `sampler, round 1, group ${inputs.e.groupId}: engine: out of memory. Lower \`groupsPerBatch\`.`,
        cause: broken,
      });
    }
  });

  it('should err when both broadcasts end before the round is ready', () =>
    marbles(({ cold, expectObservable }) => {
      const source$ = cold('  -e-', inputs);
      const expected = '      -# ';
      const options = { ...plain, groupsPerBatch: 1, isReady: () => false, rollout: () => of([]) };
      expectObservable(source$.pipe(branchRollouts(options))).toBe(expected, undefined, {
        code: 'TRIB_OPERATOR',
      });
    }));

  it('should err with a broadcast', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const policy$ = cold('  p---#', policies);
      const source$ = cold('  a-----', inputs);
      const expected = '      ----#';
      expectObservable(source$.pipe(branchRollouts({ ...plain, policy$, rollout: () => of([]) }))).toBe(
        expected,
      );
      expectSubscriptions(source$.subscriptions).toBe('^---!');
    }));

  it('should release the running rollout and the broadcasts when unsubscribed', () =>
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const policy$ = cold('  p------', policies);
      const source$ = cold('  ab-----', inputs);
      const inner$ = cold<RolloutGroup<string>[]>('-------');
      const unsub = '         ----!  ';
      expectObservable(
        source$.pipe(branchRollouts({ ...plain, policy$, rollout: () => inner$ })),
        unsub,
      ).toBe('-----');
      expectSubscriptions(inner$.subscriptions).toBe(' -^--!');
      expectSubscriptions(policy$.subscriptions).toBe('^---!');
    }));

  it('should refuse options that cannot work', () => {
    const rollout: Options['rollout'] = () => of([]);
    expect(() => branchRollouts({ ...plain, groupsPerBatch: 0, rollout })).toThrow(/`groupsPerBatch`/);
    expect(() => branchRollouts({ ...plain, maxQueued: 1, rollout })).toThrow(
      /`maxQueued`: .* at least 2, got 1/,
    );
    expect(() => branchRollouts({ ...plain, lingerMs: Number.POSITIVE_INFINITY, rollout })).toThrow(
      /`lingerMs`/,
    );
  });
});
