import type { TributaryError } from '../../errors.js';
import type { GroupRewards, LostGroup, RewardedGroup, RolloutGroup } from '../records/records.js';
import { LARGEST_MAGNITUDE, rewardFault } from '../records/reward-fault.js';

export type JoinOutcome<Branch> = RewardedGroup<Branch> | LostGroup;

/** The state of one join; each group leaves it once. Every call returns the groups that leave because of it. */
interface GroupJoin<Branch> {
  addGroup(group: RolloutGroup<Branch>): JoinOutcome<Branch>[];
  addRewards(rewards: GroupRewards | LostGroup): JoinOutcome<Branch>[];
  /** Drops what waits of earlier rounds and ignores them from now on; their groups are counted already. */
  release(round: number): void;
  /** Ends the join: everything that still waits is lost. */
  close(): LostGroup[];
}

export interface GroupJoinOptions {
  /** Most groups that wait on each side for their other half, at least 1. */
  readonly maxPending: number;
  /** Finished group ids that are remembered, to drop duplicates; at least 1. Use several times `runAhead`. */
  readonly maxRemembered: number;
  /** Largest magnitude of a reward, above 0. Default 1e15. */
  readonly maxMagnitude?: number;
  /** Ids that are already trained on (from a checkpoint), oldest first. */
  readonly seen?: Iterable<string>;
  /** Called for each half of a group that has this half already, or has left the join. */
  readonly onRepeated?: (groupId: string) => void;
  /** Called with rewards that lose their group, and with what is wrong with them. */
  readonly onRefused?: (rewards: GroupRewards, fault: TributaryError) => void;
}

/**
 * Creates the memory of a join by group id: at most `maxPending` halves per side, and the last `maxRemembered` ids
 * that left. Of two equal halves the first counts.
 */
export function createGroupJoin<Branch>(options: GroupJoinOptions): GroupJoin<Branch> {
  const { maxPending, maxRemembered, maxMagnitude = LARGEST_MAGNITUDE, seen = [] } = options;
  const groups = new Map<string, RolloutGroup<Branch>>();
  const rewards = new Map<string, GroupRewards>();
  const left = new Set<string>();
  let firstRound = 0;

  const leave = (outcome: JoinOutcome<Branch>): JoinOutcome<Branch>[] => {
    groups.delete(outcome.groupId);
    rewards.delete(outcome.groupId);
    remember(outcome.groupId);
    return [outcome];
  };
  const remember = (groupId: string): void => {
    left.add(groupId);
    const oldest = left.size > maxRemembered ? left.values().next().value : undefined;
    if (oldest !== undefined) left.delete(oldest);
  };
  const join = (group: RolloutGroup<Branch>, scored: GroupRewards): JoinOutcome<Branch>[] => {
    const { rewards, parts } = scored;
    const fault = rewardFault(group.groupId, rewards, group.branches.length, maxMagnitude, parts);
    if (!fault) {
      return leave({ ...group, rewards, ...(parts && { parts }) });
    }
    options.onRefused?.(scored, fault);
    return leave(lost(group, 'dead-letter', fault.message));
  };
  const isOver = ({ round }: Waiting) => round < firstRound;
  const isRepeated = (groupId: string, hasHalf: boolean): boolean => {
    if (!hasHalf && !left.has(groupId)) return false;
    options.onRepeated?.(groupId);
    return true;
  };
  const hold = <Half extends Waiting>(side: Map<string, Half>, half: Half, missing: string) => {
    side.set(half.groupId, half);
    const oldest = side.size > maxPending ? side.values().next().value : undefined;
    if (!oldest) return [];
    return leave(lost(oldest, 'unmatched', `no ${missing} while ${maxPending} younger groups came`));
  };
  for (const groupId of seen) remember(groupId);

  return {
    addGroup(group) {
      if (isOver(group) || isRepeated(group.groupId, groups.has(group.groupId))) return [];
      const scored = rewards.get(group.groupId);
      return scored ? join(group, scored) : hold(groups, group, 'reward');
    },
    addRewards(scored) {
      const isLoss = 'reason' in scored;
      if (isOver(scored) || isRepeated(scored.groupId, !isLoss && rewards.has(scored.groupId))) return [];
      if (isLoss) return leave(scored);
      const group = groups.get(scored.groupId);
      return group ? join(group, scored) : hold(rewards, scored, 'trajectories');
    },
    release(round) {
      firstRound = round;
      for (const side of [groups, rewards]) {
        for (const half of side.values()) if (isOver(half)) side.delete(half.groupId);
      }
    },
    close() {
      const rest = [
        ...Array.from(groups.values(), (group) => lost(group, 'unmatched', 'no reward before the end')),
        ...Array.from(rewards.values(), (half) => lost(half, 'unmatched', 'no trajectories before the end')),
      ];
      groups.clear();
      rewards.clear();
      return rest;
    },
  };
}

type Waiting = Pick<LostGroup, 'groupId' | 'round'>;

function lost(half: Waiting, reason: LostGroup['reason'], detail: string): LostGroup {
  return { groupId: half.groupId, round: half.round, reason, detail };
}
