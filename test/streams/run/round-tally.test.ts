import { describe, expect, it, vi } from 'vitest';
import type { JudgedMetric, ScoredMetric } from '../../../src/streams/messages/messages.js';
import { roundTally } from '../../../src/streams/run/round-tally.js';
import { stageBench } from '../stages/stage-bench.js';

const metric = (groupId: string, score: number): ScoredMetric => ({
  kind: 'scored',
  groupId,
  round: 0,
  images: 2,
  verdicts: { satisfied: 1, score },
});

function start() {
  const { context } = stageBench();
  const tally = roundTally(100);
  tally.observe(context.transport).subscribe();
  const count = (groupId: string, score: number) =>
    context.transport.publish('metrics', { key: groupId, message: metric(groupId, score) });
  const judge = (groupId: string, said: Omit<JudgedMetric, 'kind' | 'groupId' | 'round'>) =>
    context.transport.publish('metrics', {
      key: groupId,
      message: { kind: 'judged', groupId, round: 0, ...said },
    });
  return { tally, count, judge };
}

describe('roundTally', () => {
  it('should count a group once, however often it was scored', async () => {
    const { tally, count } = start();
    await count('0-0', 0.5);
    await count('0-0', 0.5);
    await count('0-1', 0);
    expect(tally.take(0, ['0-0', '0-9'])).toEqual({
      images: 4,
      trainedImages: 2,
      verified: 4,
      satisfied: 2,
      score: 0.5,
      deadLetters: 0,
      deadElsewhere: 0,
      feedback: null,
      choices: [],
    });
    expect(tally.take(0, ['0-0']).images).toBe(0);
  });

  it('should count what people said of the groups that are trained on, and wait for no scores of them', async () => {
    const { tally, count, judge } = start();
    const choice = { canary: 4, preference: 1 } as const;
    await judge('0-0', { votes: 3, agreement: 1, expired: 1, stale: 0, choice });
    await judge('0-0', { votes: 3, agreement: 1, expired: 1, stale: 0, choice });
    await judge('0-1', { votes: 1, agreement: 0.5, expired: 1, stale: 2 });
    await judge('0-2', { votes: 9, agreement: 0, expired: 2, stale: 2, choice });
    await count('0-3', 1);
    await tally.settled(0, ['0-0', '0-1', '0-3']);
    expect(tally.take(0, ['0-0', '0-1', '0-3'])).toMatchObject({
      trainedImages: 2,
      feedback: { groups: 2, votes: 4, agreement: 0.75, expiredGroups: 1, staleGroups: 2 },
      choices: [choice],
    });
  });

  it('should sum to the same last bit in any order', async () => {
    const sums = await Promise.all(
      [
        [0.1, 0.2, 0.3],
        [0.3, 0.2, 0.1],
      ].map(async (scores) => {
        const { tally, count } = start();
        for (const score of scores) await count(`0-${score}`, score);
        return tally.take(0, []).score;
      }),
    );
    expect(sums[0]).toBe(sums[1]);
  });

  it('should wait for counts that are on their way, but not for ever', async () => {
    const { tally, count } = start();
    const settled = vi.fn();
    const waiting = tally.settled(0, ['0-0', '0-1']).then(settled);
    await count('0-0', 1);
    // A late group, of which the round knows nothing.
    await count('0-2', 1);
    expect(settled).not.toHaveBeenCalled();
    await count('0-1', 1);
    await waiting;
    vi.useFakeTimers();
    const given = vi.fn();
    const never = tally.settled(0, ['0-0', '0-1', '0-3']).then(given);
    await vi.advanceTimersByTimeAsync(1500);
    // More may follow what has just come.
    await count('0-4', 1);
    await vi.advanceTimersByTimeAsync(1500);
    expect(given).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(500);
    vi.useRealTimers();
    await never;
  });
});
