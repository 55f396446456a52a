import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSourceChoice, type SourceTurn } from '../../../../src/streams/stages/prompts/choose-source.js';

const turn = (weight: number, priority = 0, waits = false): SourceTurn => ({ weight, priority, waits });

/** How often each source gives, of so many groups, where only some have prompts. */
function sharesOf(sources: readonly SourceTurn[], having: readonly number[], groups = 4000): number[] {
  const { choose } = createSourceChoice(sources, 7);
  const counts = sources.map(() => 0);
  for (let group = 0; group < groups; group++) {
    const chosen = choose(group, (source) => having.includes(source));
    if (chosen) counts[chosen.source] = (counts[chosen.source] ?? 0) + 1;
  }
  return counts.map((count) => count / groups);
}

describe('createSourceChoice', () => {
  it('should give each source of one priority its share by weight', () => {
    const [first = 0, second = 0, third = 0] = sharesOf([turn(3), turn(1), turn(4)], [0, 1, 2]);
    // Four standard errors of 4000 draws.
    expect(Math.abs(first - 3 / 8)).toBeLessThan(0.031);
    expect(Math.abs(second - 1 / 8)).toBeLessThan(0.021);
    expect(first + second + third).toBe(1);
  });

  it('should keep the shares of the others where one has no prompt', () => {
    const [first = 0, second = 0, third = 0] = sharesOf([turn(3), turn(1), turn(4)], [0, 1]);
    expect(Math.abs(first - 3 / 4)).toBeLessThan(0.028);
    expect([first + second, third]).toEqual([1, 0]);
  });

  it('should let the highest priority that can give go first', () => {
    const sources = [turn(9, 0), turn(1, 5), turn(1, 2)];
    expect(sharesOf(sources, [0, 1, 2], 50)).toEqual([0, 1, 0]);
    expect(sharesOf(sources, [0, 2], 50)).toEqual([0, 0, 1]);
    expect(sharesOf(sources, [0], 50)).toEqual([1, 0, 0]);
    expect(sharesOf(sources, [], 50)).toEqual([0, 0, 0]);
  });

  it('should hold the groups whose turn waits, and give the same source whenever its prompt comes', () => {
    const sources = [turn(1), turn(1, 0, true)];
    const { choose } = createSourceChoice(sources, 7);
    const held = Array.from({ length: 50 }, (_, group) => group).filter(
      (group) => choose(group, (source) => source === 0) === null,
    );
    expect(held.length).toBeGreaterThan(10);
    for (const group of held) expect(choose(group, () => true)).toEqual({ source: 1, isPlanned: true });
  });

  it('should choose by seed and group alone, wherever a run begins, and count what was planned', () => {
    const sources = [turn(2), turn(1), turn(1, 1)];
    fc.assert(
      fc.property(fc.nat(300), fc.nat(2), (start, missing) => {
        const having = (source: number) => source !== 2 && source !== missing;
        const [whole, resumed] = [createSourceChoice(sources, 3), createSourceChoice(sources, 3)];
        const planned = sources.map(() => 0);
        for (let group = 0; group < start; group++) {
          const chosen = whole.choose(group, (source) => source !== 2);
          planned[chosen?.source ?? 0] = (planned[chosen?.source ?? 0] ?? 0) + 1;
        }
        expect(resumed.choose(start, having)).toEqual(whole.choose(start, having));
        for (const source of [0, 1]) expect(resumed.plannedBefore(source, start)).toBe(planned[source]);
      }),
    );
  });
});
