import type { PartialRound, TrainableRound } from '../../messages/messages.js';

/** Rounds and, over all of them, tickets that are told: what a gateway that was away can still learn. */
const MOST_ROUNDS = 200;
const MOST_TICKETS = 10_000;

/** The newest closed rounds that lack some of their groups. */
export class PartialRounds {
  #rounds: readonly PartialRound[];

  /** @param known what was told before the run was resumed. */
  constructor(known: readonly PartialRound[] = []) {
    this.#rounds = known;
  }

  /** In their order. */
  get list(): readonly PartialRound[] {
    return this.#rounds;
  }

  /** Takes a round that was closed, in place of what was known of it and of later ones. Returns whether it lacks some groups. */
  close({
    round,
    groupIds,
    lost,
    batch: { statistics },
  }: Omit<TrainableRound, 'pickedTrees' | 'state'>): boolean {
    const isPartial = statistics.lostGroups + statistics.lateGroups > 0;
    const stale = lost.filter(({ reason }) => reason === 'stale').map(({ groupId }) => groupId);
    const earlier = this.#rounds.filter((known) => known.round < round);
    this.#rounds = newest(isPartial ? [...earlier, { round, trained: groupIds, stale }] : earlier);
    return isPartial;
  }
}

function newest(rounds: readonly PartialRound[]): readonly PartialRound[] {
  let tickets = 0;
  const tooMany = rounds.findLastIndex(({ trained, stale }, index) => {
    tickets += trained.length + stale.length;
    const isNewest = index === rounds.length - 1;
    return !isNewest && (tickets > MOST_TICKETS || rounds.length - index > MOST_ROUNDS);
  });
  return rounds.slice(tooMany + 1);
}
