import fc from 'fast-check';
import { delay, EMPTY, map, merge, NEVER, of, takeUntil, timer } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { groupAdvantages } from '../../../src/operators/gathering/group-advantages.js';
import type { ClosedRound } from '../../../src/operators/gathering/round-batch.js';
import { lost, rewarded } from '../groups.js';
import { type MarbleHelpers, marbles } from '../marbles.js';
import { describeOperator } from '../operator-contract.js';
import { first, inputs, named, type Outcome, plain, second } from './outcomes.js';

describe('groupAdvantages, closing by time', () => {
  const closeAfterMs = 4;
  const summaryOf = ({ round, groups, batch }: ClosedRound<string>) => {
    const { lostGroups, lateGroups } = batch.statistics;
    return `${round}: ${groups.map(({ groupId }) => groupId).join(' ')} lost ${lostGroups} late ${lateGroups}`;
  };
  const timed = ({ scheduler }: MarbleHelpers, options = plain) =>
    groupAdvantages<string>({ ...options, closeAfterMs, scheduler });

  describeOperator('groupAdvantages with a clock', {
    create: (helpers) => timed(helpers),
    inputs,
    outputs: { x: first, y: second },
    source: '-a-b-cd-|',
    result: '---x--y-|',
    synchronous: named('ab'),
  });

  it('should close with what is there, count the rest as late, and drop it when it comes', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('-a----b--c----|', inputs);
      const expected = '            -----x-------y|';
      helpers.expectObservable(source$.pipe(timed(helpers), map(summaryOf))).toBe(expected, {
        x: '0: 0-0 lost 0 late 1',
        y: '1: 1-0 lost 0 late 1',
      });
    }));

  it('should count from the first rewarded group, and not start anew with the next one', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('l--a-f-----|', inputs);
      const expected = '            -------x---|';
      const result$ = source$.pipe(timed(helpers, { ...plain, groupsPerRound: 4 }), map(summaryOf));
      helpers.expectObservable(result$).toBe(expected, { x: '0: 0-0 0-2 lost 1 late 1' });
    }));

  it('should never close a round by time in which nothing is rewarded', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('m----------l--|', inputs);
      const expected = '            -----------x--|';
      helpers.expectObservable(source$.pipe(timed(helpers), map(summaryOf))).toBe(expected, {
        x: '0:  lost 2 late 0',
      });
    }));

  it('should start the clock of a round when it is the next one to close', () =>
    marbles((helpers) => {
      // c waits for round 0, which closes by time at 6, then for its own clock.
      const source$ = helpers.cold('c-a--------|', inputs);
      const expected = '            ------x---y|';
      helpers.expectObservable(source$.pipe(timed(helpers), map(summaryOf))).toBe(expected, {
        x: '0: 0-0 lost 0 late 1',
        y: '1: 1-0 lost 0 late 1',
      });
    }));

  it('should close the full rounds behind one that is closed by time', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('cda-------|', inputs);
      const expected = '            ------(xy)|';
      helpers.expectObservable(source$.pipe(timed(helpers), map(summaryOf))).toBe(expected, {
        x: '0: 0-0 lost 0 late 1',
        y: '1: 1-0 1-1 lost 0 late 0',
      });
    }));

  it('should stop the clock of a round that is full', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('a--b-------|', inputs);
      const expected = '            ---x-------|';
      helpers.expectObservable(source$.pipe(timed(helpers))).toBe(expected, { x: first });
    }));

  it('should complete with the source, and not emit the round whose clock runs', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('a--|', inputs);
      helpers.expectObservable(source$.pipe(timed(helpers))).toBe('---|');
    }));

  it('should send a throw of the rule to the error channel when the clock closes', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('a-------', inputs);
      const rule = () => {
        throw new Error('broken rule');
      };
      const expected = '            ----#   ';
      const result$ = source$.pipe(timed(helpers, { ...plain, rule }));
      helpers.expectObservable(result$).toBe(expected, undefined, new Error('broken rule'));
      helpers.expectSubscriptions(source$.subscriptions).toBe('^---!');
    }));

  it.each([
    ['unsubscribed', NEVER],
    ['complete', EMPTY],
  ])('should leave no timer behind when it is %s', (_, after$) => {
    vi.useFakeTimers();
    try {
      const result$ = merge(of(...named('a')), after$);
      const subscription = result$.pipe(groupAdvantages<string>({ ...plain, closeAfterMs })).subscribe();
      if (after$ === NEVER) expect(vi.getTimerCount()).toBe(1);
      subscription.unsubscribe();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('should train each group at most once and account for all of a round, however outcomes arrive', () => {
    const numRounds = 4;
    const groupsPerRound = 3;
    const outcome = fc.record({
      round: fc.nat(numRounds - 1),
      index: fc.nat(groupsPerRound - 1),
      isLost: fc.boolean(),
      at: fc.nat(60),
    });
    const options = { ...plain, groupsPerRound, maxOpenRounds: numRounds };
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 40 }), (arrivals) => {
        const rounds: ClosedRound<string>[] = [];
        marbles((helpers) => {
          const arrivals$ = arrivals.map(({ round, index, isLost, at }) =>
            of<Outcome>(isLost ? lost(round, index) : rewarded(round, index)).pipe(delay(at)),
          );
          const source$ = merge(...arrivals$, NEVER).pipe(takeUntil(timer(1000)));
          source$.pipe(timed(helpers, options)).subscribe((round) => rounds.push(round));
        });
        expect(rounds.map(({ round }) => round)).toEqual([...rounds.keys()]);
        const idsOf = ({ groups }: ClosedRound<string>) => groups.map(({ groupId }) => groupId);
        const trained = rounds.flatMap(idsOf);
        expect(new Set(trained).size).toBe(trained.length);
        for (const closed of rounds) {
          const { round, batch } = closed;
          const groupIds = idsOf(closed);
          const { groups, lostGroups, lateGroups } = batch.statistics;
          expect(groups + lostGroups + lateGroups).toBe(groupsPerRound);
          expect(groupIds).toHaveLength(groups);
          expect(lateGroups === 0 || groups > 0).toBe(true);
          for (const groupId of groupIds) expect(groupId.startsWith(`${round}-`)).toBe(true);
          for (const { groupId } of batch.samples) expect(groupIds).toContain(groupId);
        }
        // What could be closed by time is closed: the first round that is left has no rewarded group.
        const firstOf = new Map<number, (typeof arrivals)[number]>();
        for (const arrival of arrivals.toSorted((a, b) => a.at - b.at)) {
          const group = arrival.round * groupsPerRound + arrival.index;
          if (!firstOf.has(group)) firstOf.set(group, arrival);
        }
        const left = [...firstOf.values()].filter(({ round }) => round === rounds.length);
        expect(left.filter(({ isLost }) => !isLost)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
