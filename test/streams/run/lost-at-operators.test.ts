import { describe, expect, it } from 'vitest';
import type { LostGroup } from '../../../src/operators/index.js';
import { lostAtOperators } from '../../../src/streams/run/lost-at-operators.js';

const group = (index: number, more: Partial<LostGroup>): LostGroup => ({
  groupId: `2-${index}`,
  round: 2,
  reason: 'dropped',
  detail: 'in a test',
  ...more,
});

const DROPPED = { operator: 'few' };
const FAILED = { operator: 'odd', reason: 'dead-letter', detail: 'operator odd: expected this.' } as const;

const found = (lost: readonly Partial<LostGroup>[], groups = 0) =>
  lostAtOperators({
    round: 2,
    lost: lost.map((more, index) => group(index, more)),
    batch: { statistics: { groups } },
  } as unknown as Parameters<typeof lostAtOperators>[0]);

describe('lostAtOperators', () => {
  it.each<[string, readonly Partial<LostGroup>[], string, string | undefined]>([
    ['one that drops all', [DROPPED, DROPPED], 'the operator stage "few" dropped 2. Let some pass', 'few'],
    [
      'one that fails at all',
      [FAILED, { ...FAILED, detail: 'another' }],
      'the operator stage "odd" made 2 dead letters ("operator odd: expected this."). Correct the operator',
      'odd',
    ],
    [
      'one that does both',
      [FAILED, { operator: 'odd' }],
      'the operator stage "odd" dropped 1 and made 1 dead letter ("operator odd: expected this."). Correct the operator',
      'odd',
    ],
    [
      'two',
      [FAILED, DROPPED],
      'the operator stage "odd" made 1 dead letter ("operator odd: expected this."), the operator stage "few" dropped 1. Correct the operator',
      undefined,
    ],
  ])('should name the operators of a round without a group: %s', (_, lost, said, stage) => {
    const error = found(lost);
    expect(error?.message).toBe(
      `round 2: expected a group with rewards, got none of 2: ${said}, then resume: the run goes on with round 3.`,
    );
    expect([error?.code, error?.stage]).toEqual(['TRIB_REWARD', stage]);
  });

  it('should let a run go on with a round that has a group, or lost one elsewhere, or lost none', () => {
    expect(found([FAILED], 1)).toBeNull();
    expect(found([FAILED, { reason: 'stale' }])).toBeNull();
    expect(found([])).toBeNull();
  });
});
