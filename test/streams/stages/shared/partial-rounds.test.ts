import { describe, expect, it } from 'vitest';
import type { LostGroup } from '../../../../src/operators/index.js';
import { PartialRounds } from '../../../../src/streams/stages/shared/partial-rounds.js';

type Closed = Parameters<PartialRounds['close']>[0];

/** A round of which one group was late, and one too old. */
function closed(round: number, numTrained: number): Closed {
  const lost: LostGroup = { groupId: `${round}-old`, round, reason: 'stale', detail: '' };
  const groupIds = Array.from({ length: numTrained }, (_, index) => `${round}-${index}`);
  return {
    round,
    groupIds,
    lost: [lost],
    batch: { statistics: { lostGroups: 1, lateGroups: 1 } },
  } as unknown as Closed;
}

describe('PartialRounds', () => {
  it('should keep the newest rounds, and of a round that is closed again what came of it then', () => {
    const rounds = new PartialRounds([{ round: 3, trained: [], stale: [] }]);
    expect(rounds.close(closed(4, 1))).toBe(true);
    expect(rounds.list.map(({ round }) => round)).toEqual([3, 4]);
    rounds.close(closed(3, 2));
    expect(rounds.list).toEqual([{ round: 3, trained: ['3-0', '3-1'], stale: ['3-old'] }]);
    for (let round = 4; round < 300; round++) rounds.close(closed(round, 1));
    expect(rounds.list.map(({ round }) => round)).toEqual(
      Array.from({ length: 200 }, (_, index) => 100 + index),
    );
  });

  it('should bound the tickets, but for those of the newest round', () => {
    const rounds = new PartialRounds();
    for (let round = 0; round < 5; round++) rounds.close(closed(round, 4000));
    expect(rounds.list.map(({ round }) => round)).toEqual([3, 4]);
    rounds.close(closed(5, 20_000));
    expect(rounds.list.map(({ round }) => round)).toEqual([5]);
  });
});
