import { describe, expect, it } from 'vitest';
import {
  type DecideByVotesOptions,
  decideByVotes,
  type VoteEvent,
  type VoteOutcome,
} from '../../../src/operators/gathering/decide-by-votes.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { type MarbleHelpers, marbles } from '../marbles.js';
import { describeOperator } from '../operator-contract.js';

const wait = (groupId: string, expiresAt: number): VoteEvent => ({
  kind: 'group',
  groupId,
  numPictures: 3,
  expiresAt,
});
const best = (groupId: string, voter: string, picture: number): VoteEvent => ({
  kind: 'vote',
  groupId,
  voter,
  judgment: { best: picture },
});
const inputs: Record<string, VoteEvent> = {
  a: wait('a', 6),
  b: wait('b', 20),
  c: wait('c', 20),
  1: best('a', 'ann', 0),
  2: best('b', 'ann', 1),
  3: best('b', 'bob', 1),
  4: best('b', 'ann', 2),
  5: best('b', 'cy', 2),
  s: { kind: 'vote', groupId: 'b', voter: 'ann', judgment: { skip: true } },
  f: { kind: 'forget', voter: 'ann' },
  r: { kind: 'remove', groupId: 'b' },
};
const decided = (groupId: string, rewards: number[], { votes = 1, agreement = 1 } = {}): VoteOutcome => ({
  kind: 'decided',
  groupId,
  votes,
  rewards,
  agreement,
});
const outputs: Record<string, VoteOutcome> = {
  A: decided('a', [1, 0, 0]),
  B: decided('b', [0, 1, 0]),
  C: decided('b', [0, 1, 0], { votes: 2 }),
  D: decided('b', [0, 0.5, 0.5], { votes: 2, agreement: 0.5 }),
  E: decided('b', [0, 0.75, 0.25], { votes: 2, agreement: 0.5 }),
  x: { kind: 'expired', groupId: 'a', reason: 'deadline' },
  y: { kind: 'expired', groupId: 'a', reason: 'room' },
};
const plain = { rule: 'best-of-n', voters: 1, maxWaiting: 4 } as const;

describeOperator('decideByVotes', {
  create: ({ scheduler }) => decideByVotes({ ...plain, scheduler }),
  inputs,
  outputs,
  source: '-a-b1--2-|',
  result: '----A--B-|',
  synchronous: [wait('b', 20), best('b', 'ann', 1)],
});

describe('decideByVotes', () => {
  /** Options, a source, what comes of it, and in which words. */
  it.each<[string, Partial<DecideByVotesOptions>, string, string]>([
    ['should expire a group at its time, and count no vote for it then', {}, 'a-b-----1-2-', '------x---B-'],
    ['should expire the oldest group for one more', { maxWaiting: 2 }, 'abc2', '--yB'],
    ['should wait for as many voters as it takes', { voters: 2 }, 'b2--3', '----C'],
    ['should count the first vote of a voter', { voters: 2 }, 'b24-3', '----C'],
    ['should count no one who skips, who may vote later', { voters: 2 }, 'bs2-3', '----C'],
    ['should part the rewards of voters who differ', { voters: 2 }, 'b2-5', '---D'],
    [
      'should let votes count by the weights of their voters',
      { voters: 2, weightOf: (voter) => (voter === 'ann' ? 3 : 1) },
      'b2-5',
      '---E',
    ],
    ['should ask one more where a consensus is a tie', { rule: 'consensus', voters: 2 }, 'b2-5-', '-----'],
    ['should forget the votes of a person', { voters: 2 }, 'b4f5-3', '-----D'],
    ['should drop a group that is removed', {}, 'br2', '---'],
    ['should keep the votes of a group that comes again', { voters: 2 }, 'b2b3', '---C'],
  ])('%s', (_, options, source, result) =>
    marbles(({ cold, expectObservable, scheduler }: MarbleHelpers) => {
      const decided$ = cold(source, inputs).pipe(decideByVotes({ ...plain, ...options, scheduler }));
      expectObservable(decided$, `${'-'.repeat(source.length)}!`).toBe(result, outputs);
    }),
  );

  it('should stop its timers when it is unsubscribed, and when its source ends', () =>
    marbles(({ cold, expectObservable, scheduler, flush }) => {
      const operator = decideByVotes({ ...plain, scheduler });
      expectObservable(cold('a-', inputs).pipe(operator), '--!').toBe('---');
      expectObservable(cold('a-|', inputs).pipe(operator)).toBe('--|');
      flush();
      expect(scheduler.frame).toBeLessThan(6);
    }));

  it('should refuse bounds that are no counts', async () => {
    const [code, message] = await faultOf(() => decideByVotes({ ...plain, voters: 0 }));
    expect(code).toBe('TRIB_OPERATOR');
    expect(message).toContain('`voters`');
  });
});
