import { at } from '../../at.js';
import type { PromptMetadata } from '../../prompt-metadata.js';
import type { CombinedRewards, LostGroup, PartRewards, RewardOutcome } from '../records/records.js';

/** How the rewards of several stages become one. */
export const COMBINATIONS = ['sum', 'product', 'minimum', 'gdpo'] as const;

export type Combination = (typeof COMBINATIONS)[number];

/** What to do where a part was lost, or has not come in time. */
export type MissingPart = 'wait' | 'drop-group' | 'leave-out';

/** A part as the combination knows it. */
export interface PartSettings {
  readonly name: string;
  /** Factor with `sum` and `gdpo`. */
  readonly weight: number;
  readonly missing: MissingPart;
}

/** What combining reads of a ticket. */
export interface CombinableGroup {
  readonly groupId: string;
  readonly round: number;
  readonly metadata?: PromptMetadata;
}

export interface CombinationOptions {
  readonly by: Combination;
  readonly parts: readonly PartSettings[];
  /** Most groups that wait for parts, at least 1: at the bound the oldest is lost. */
  readonly maxPending: number;
}

/**
 * The names of the parts that a prompt asks for, in the key `reward` of its metadata: one, or a list of them. Null: it does
 * not say, and all count.
 */
export function namedParts(metadata: PromptMetadata | undefined): readonly string[] | null {
  const named = metadata?.reward;
  if (typeof named === 'string') return [named];
  const isList = Array.isArray(named) && named.length > 0 && named.every((name) => typeof name === 'string');
  return isList ? (named as readonly string[]) : null;
}

/**
 * Combines the parts of a group picture by picture: Σ w_k r_k, Π r_k or min r_k. With `gdpo` the sum is for the figures, and
 * the advantage rule uses the parts.
 *
 * @param parts at least one, all of one length.
 */
export function combinedReward(by: Combination, parts: readonly PartRewards[]): number[] {
  const columns = at(parts, 0).rewards.map((_, branch) =>
    parts.map((part) => ({ ...part, reward: at(part.rewards, branch) })),
  );
  switch (by) {
    case 'product':
      return columns.map((column) => column.reduce((product, { reward }) => product * reward, 1));
    case 'minimum':
      return columns.map((column) => Math.min(...column.map(({ reward }) => reward)));
    default:
      return columns.map((column) => column.reduce((sum, { weight, reward }) => sum + weight * reward, 0));
  }
}

interface PendingGroup {
  readonly groupId: string;
  readonly round: number;
  /** Parts that its prompt asks for; null before its ticket is there. */
  wanted: readonly PartSettings[] | null;
  readonly outcomes: Map<string, RewardOutcome>;
  isDue: boolean;
}

type CombinedOutcome = CombinedRewards | LostGroup;

/** The state of one combination; each group leaves it once. Calls return what leaves because of them. */
export interface PartsJoin {
  addTicket(group: CombinableGroup): CombinedOutcome[];
  /** `onFirst` is called for the first part of a group. */
  addPart(name: string, outcome: RewardOutcome, onFirst: (groupId: string) => void): CombinedOutcome[];
  /** The deadline of a group has passed. */
  due(groupId: string): CombinedOutcome[];
  /** Forgets the groups of earlier rounds, and takes no more of them. */
  release(round: number): void;
  /** No more parts come: every deadline has passed. */
  close(): CombinedOutcome[];
}

/** Creates the memory of `combineRewards`. */
export function createPartsJoin({ by, parts, maxPending }: CombinationOptions): PartsJoin {
  const groups = new Map<string, PendingGroup>();
  /** Groups that have left, with their rounds. */
  const left = new Map<string, number>();
  let firstRound = 0;

  const pendingOf = ({ groupId, round }: { readonly groupId: string; readonly round: number }) => {
    if (round < firstRound || left.has(groupId)) return null;
    const pending = groups.get(groupId) ?? {
      ...{ groupId, round, wanted: null, isDue: false },
      outcomes: new Map<string, RewardOutcome>(),
    };
    groups.set(groupId, pending);
    return pending;
  };
  const leave = (outcome: CombinedOutcome): CombinedOutcome[] => {
    groups.delete(outcome.groupId);
    left.set(outcome.groupId, outcome.round);
    const oldest = left.size > 4 * maxPending ? left.keys().next().value : undefined;
    if (oldest !== undefined) left.delete(oldest);
    return [outcome];
  };
  const settle = (group: PendingGroup): CombinedOutcome[] => {
    const outcome = outcomeOf(group, by);
    if (outcome !== null) return leave(outcome);
    const oldest = groups.size > maxPending ? groups.values().next().value : undefined;
    return oldest ? leave(lost(oldest, `parts were missing while ${maxPending} younger groups came`)) : [];
  };
  return {
    addTicket(ticket) {
      const group = pendingOf(ticket);
      if (group === null || group.wanted !== null) return [];
      const named = namedParts(ticket.metadata);
      group.wanted = named === null ? parts : parts.filter(({ name }) => named.includes(name));
      const unknown = named?.find((name) => !parts.some((part) => part.name === name));
      if (unknown === undefined) return settle(group);
      const names = parts.map(({ name }) => name).join(', ');
      return leave(lost(group, `its prompt expects the reward "${unknown}", and the parts are ${names}`));
    },
    addPart(name, outcome, onFirst) {
      const group = pendingOf(outcome);
      if (group === null || group.outcomes.has(name)) return [];
      group.outcomes.set(name, outcome);
      if (group.outcomes.size === 1) onFirst(group.groupId);
      return settle(group);
    },
    due(groupId) {
      const group = groups.get(groupId);
      if (group === undefined) return [];
      group.isDue = true;
      return settle(group);
    },
    release(round) {
      firstRound = round;
      for (const group of groups.values()) if (group.round < round) groups.delete(group.groupId);
      for (const [groupId, ofRound] of left) if (ofRound < round) left.delete(groupId);
    },
    close() {
      const rest = [...groups.values()].flatMap((group) => {
        group.isDue = true;
        return outcomeOf(group, by) ?? lost(group, 'parts were missing at the end');
      });
      groups.clear();
      return rest;
    },
  };
}

/** What becomes of a group; null where it still waits. */
function outcomeOf(
  { groupId, round, wanted, outcomes, isDue }: PendingGroup,
  by: Combination,
): CombinedOutcome | null {
  if (wanted === null) return null;
  const there: PartRewards[] = [];
  let waits = false;
  for (const { name, weight, missing } of wanted) {
    const outcome = outcomes.get(name);
    if (outcome && 'rewards' in outcome) there.push({ name, weight, rewards: outcome.rewards });
    else if (outcome && missing !== 'leave-out')
      return { ...outcome, groupId, round, detail: `part "${name}": ${outcome.detail}` };
    else if (!outcome && isDue && missing === 'drop-group')
      return lost({ groupId, round }, `part "${name}" did not come in time`);
    else if (!outcome && !(isDue && missing === 'leave-out')) waits = true;
  }
  if (waits) return null;
  const [first, ...others] = there;
  if (first === undefined) return noneLeft({ groupId, round }, wanted, outcomes);
  const odd = others.find(({ rewards }) => rewards.length !== first.rewards.length);
  if (odd)
    return lost(
      { groupId, round },
      `part "${first.name}" has ${first.rewards.length} rewards, and part "${odd.name}" ${odd.rewards.length}`,
    );
  return { groupId, round, rewards: combinedReward(by, there), parts: there };
}

/** A group without any part is lost as one of them was, where all of them were lost at operators. */
function noneLeft(
  group: Pick<LostGroup, 'groupId' | 'round'>,
  wanted: readonly PartSettings[],
  outcomes: ReadonlyMap<string, RewardOutcome>,
): LostGroup {
  const none = lost(group, 'none of its parts came');
  const [loss, ...others] = wanted.map(({ name }) => outcomes.get(name));
  const isAtOperator = (one: RewardOutcome | undefined): one is LostGroup =>
    one !== undefined && 'operator' in one;
  if (!isAtOperator(loss) || !others.every(isAtOperator)) return none;
  return { ...loss, ...group, detail: `${none.detail}: ${loss.detail}` };
}

function lost({ groupId, round }: Pick<LostGroup, 'groupId' | 'round'>, detail: string): LostGroup {
  return { groupId, round, reason: 'unmatched', detail };
}
