/** @file Which of several sources gives a group its prompt. */

import { at } from '../../../at.js';
import { counterRandom } from '../../../models/random/counter-random.js';

/** When a source has its turn. */
export interface SourceTurn {
  /** Sources of the highest priority that can give go first. */
  readonly priority: number;
  /** Above 0: sources of one priority give in proportion to it. */
  readonly weight: number;
  /** Whether its turn waits where it has no prompt; otherwise another source has the turn. */
  readonly waits: boolean;
}

/**
 * Returns a function that chooses the source of a group, by its place in the list; null where none can give.
 *
 * From the highest priority down, a source is drawn by weight, for each group and priority anew: a function of the seed and the
 * index of the group. If the one that is drawn has nothing to give and does not wait, one is drawn among those of its priority
 * that have, and if there are none, the next priority follows. So of those that can give, each has its share by weight; and
 * which source that is depends on time only where it is not known in advance which of them can give.
 */
export function createSourceChoice(sources: readonly SourceTurn[], seed: number) {
  const classes = byPriority(sources);
  /** The source that is drawn first, and a second number for the case that it has nothing. */
  const draw = (rank: number, groupIndex: number) => {
    const random = counterRandom({ seed, purpose: 'prompt-source', group: groupIndex, step: rank });
    const members = at(classes, rank);
    return { planned: pick(sources, members, random.uniform()), second: random.uniform() };
  };
  // Groups come in order, so that each is counted once.
  const plannedCounts = sources.map(() => 0);
  let counted = 0;
  return {
    choose(groupIndex: number, canGive: (source: number) => boolean): SourceChoice | null {
      for (const [rank, members] of classes.entries()) {
        const { planned, second } = draw(rank, groupIndex);
        if (canGive(planned)) return { source: planned, isPlanned: true };
        if (at(sources, planned).waits) return null;
        const others = members.filter(canGive);
        if (others.length > 0) return { source: pick(sources, others, second), isPlanned: false };
      }
      return null;
    },
    /** How many groups before this one, which may not lie before that of the last call, were planned for a source. */
    plannedBefore(source: number, groupIndex: number): number {
      for (; counted < groupIndex; counted++) {
        for (const rank of classes.keys()) {
          const { planned } = draw(rank, counted);
          plannedCounts[planned] = at(plannedCounts, planned) + 1;
        }
      }
      return at(plannedCounts, source);
    },
  };
}

interface SourceChoice {
  readonly source: number;
  /** Whether it is the one that was drawn first. */
  readonly isPlanned: boolean;
}

/** The places of the sources of each priority, the highest first. */
function byPriority(sources: readonly SourceTurn[]): number[][] {
  const priorities = [...new Set(sources.map(({ priority }) => priority))].sort((a, b) => b - a);
  return priorities.map((priority) =>
    [...sources.keys()].filter((source) => at(sources, source).priority === priority),
  );
}

/** The member in whose part of the weights, laid end to end, a point in [0, 1) lies. */
function pick(sources: readonly SourceTurn[], members: readonly number[], point: number): number {
  const weights = members.map((member) => at(sources, member).weight);
  let rest = point * weights.reduce((sum, weight) => sum + weight, 0);
  const found = weights.findIndex((weight) => {
    rest -= weight;
    return rest < 0;
  });
  // Rounding may leave a little behind the last.
  return at(members, found < 0 ? members.length - 1 : found);
}
