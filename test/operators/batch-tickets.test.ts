import { EMPTY, of, Subject, Subscription } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { batchTickets } from '../../src/operators/batch-tickets.js';
import type { PromptTicket } from '../../src/operators/records/records.js';
import { ticket } from './groups.js';
import { type MarbleHelpers, marbles } from './marbles.js';
import { describeOperator } from './operator-contract.js';

const inputs = { a: ticket(0, 0), b: ticket(0, 1), c: ticket(0, 2), d: ticket(0, 3), e: ticket(1, 0) };
const name = (tickets: readonly PromptTicket[]) => tickets.map(({ groupId }) => groupId).join();
const outputs = { x: '0-0,0-1', y: '0-2', z: '0-3', p: '0-2,0-3', q: '1-0', o: '0-0' };

const options = ({ scheduler }: MarbleHelpers) => ({
  groupsPerBatch: 2,
  lingerMs: 4,
  maxQueued: 3,
  scheduler,
});

describeOperator('batchTickets', {
  create: (helpers) => batchTickets({ ...options(helpers), run: (tickets) => of(name(tickets)) }),
  inputs,
  outputs,
  source: '-a-b-cd-|',
  result: '---x--p-|',
  synchronous: [inputs.a, inputs.b],
});

describe('batchTickets', () => {
  it('should start a batch that is full, that has lingered, or that the end of the source closes', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('  a-b-c----d---|', inputs);
      const expected = '              ----x-----y----z|';
      const run = (tickets: readonly PromptTicket[]) => helpers.cold('--r|', { r: name(tickets) });
      helpers
        .expectObservable(source$.pipe(batchTickets({ ...options(helpers), run })))
        .toBe(expected, outputs);
      helpers.expectSubscriptions(source$.subscriptions).toBe('^------------!');
    }));

  it('should let a batch grow while the one before it runs', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('  ab-c------d--|', inputs);
      const expected = '              ---------x--------p|';
      const run = (tickets: readonly PromptTicket[]) => helpers.cold('--------r|', { r: name(tickets) });
      const held = { ...options(helpers), lingerMs: 20, run };
      helpers.expectObservable(source$.pipe(batchTickets(held))).toBe(expected, outputs);
    }));

  it('should never mix rounds', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('  a--e----|', inputs);
      const expected = '              ---o----(q|)';
      const run = (tickets: readonly PromptTicket[]) => of(name(tickets));
      helpers
        .expectObservable(source$.pipe(batchTickets({ ...options(helpers), lingerMs: 20, run })))
        .toBe(expected, outputs);
    }));

  it('should wait for a full batch without end when lingerMs is null', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('  a 99ms b-|', inputs);
      const expected = '              - 99ms x-|';
      const run = (tickets: readonly PromptTicket[]) => of(name(tickets));
      helpers
        .expectObservable(source$.pipe(batchTickets({ ...options(helpers), lingerMs: null, run })))
        .toBe(expected, outputs);
    }));

  it('should drop waiting tickets that are over, and count the wait of those behind them anew', () =>
    marbles((helpers) => {
      let numOver = 0;
      const over$ = helpers.cold('    ---1', { 1: 1 });
      over$.subscribe((count) => {
        numOver = count;
      });
      // a is over when e comes; e then waits alone from column 4 to 8.
      const source$ = helpers.cold('  --a-e------|', inputs);
      const expected = '              --------q--|';
      const isOver = ({ round }: PromptTicket) => round < numOver;
      const run = (tickets: readonly PromptTicket[]) => of(name(tickets));
      helpers
        .expectObservable(source$.pipe(batchTickets({ ...options(helpers), isOver, run })))
        .toBe(expected, outputs);
    }));

  it('should make room for a ticket by dropping those that are over', () =>
    marbles((helpers) => {
      let numOver = 0;
      helpers.cold('------1').subscribe(() => {
        numOver = 1;
      });
      // c and d wait for a batch that takes long, until the second e finds no room.
      const source$ = helpers.cold('  abcde-e|', inputs);
      const run = (tickets: readonly PromptTicket[]) => helpers.cold('--------r|', { r: name(tickets) });
      const isOver = ({ round }: PromptTicket) => round < numOver;
      const held = { ...options(helpers), lingerMs: 20, isOver, run };
      helpers
        .expectObservable(source$.pipe(batchTickets(held)))
        .toBe('---------x--------q|', { x: '0-0,0-1', q: '1-0,1-0' });
    }));

  it('should err when one more ticket would have to wait', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('  abcdec', inputs);
      const expected = '              -----#';
      const run = () => helpers.cold('---------r|');
      helpers
        .expectObservable(source$.pipe(batchTickets({ ...options(helpers), run })))
        .toBe(expected, undefined, { code: 'TRIB_OVERFLOW' });
      helpers.expectSubscriptions(source$.subscriptions).toBe('^----!');
    }));

  it('should release the source, the running batch and the timer when unsubscribed', () =>
    marbles((helpers) => {
      const source$ = helpers.cold('  abc-----', inputs);
      const inner$ = helpers.cold('   ------r|');
      helpers
        .expectObservable(source$.pipe(batchTickets({ ...options(helpers), run: () => inner$ })), '---!')
        .toBe('----');
      helpers.expectSubscriptions(source$.subscriptions).toBe('^--!');
      helpers.expectSubscriptions(inner$.subscriptions).toBe('-^-!');
    }));

  it('should stop its timer when unsubscribed, and when a batch starts', () => {
    const timers: Subscription[] = [];
    const scheduler = {
      now: () => 0,
      schedule: () => {
        timers.push(new Subscription());
        return timers.at(-1) ?? Subscription.EMPTY;
      },
    };
    const tickets$ = new Subject<PromptTicket>();
    const batches = { groupsPerBatch: 2, lingerMs: 4, maxQueued: 3, scheduler, run: () => EMPTY };
    const subscription = tickets$.pipe(batchTickets(batches)).subscribe();
    for (const one of [inputs.a, inputs.b, inputs.c]) tickets$.next(one);
    expect(timers.map(({ closed }) => closed)).toEqual([true, false]);
    subscription.unsubscribe();
    expect(timers.map(({ closed }) => closed)).toEqual([true, true]);
  });
});
