import type {
  GroupRewards,
  LostGroup,
  PromptTicket,
  RewardedGroup,
  RolloutGroup,
  TrainingInterval,
} from '../../src/operators/records/records.js';
import type { RolloutTree } from '../../src/rollout-tree.js';

/** Records with the least that a test must say. Five groups a round; the interval grows by one step a round. */
export const groupsPerRound = 5;

export function interval(round: number): TrainingInterval {
  const firstStep = 6 - round;
  const trainedSteps = Array.from({ length: 10 - firstStep }, (_, index) => firstStep + index);
  return { round, firstStep, numSteps: 10, trainedSteps };
}

/** One fork, at the first trained step: B²-DiffuRL's tree. */
export function forkAt({ firstStep, trainedSteps }: TrainingInterval, numBranches: number): RolloutTree {
  return { firstStep, widths: [1, ...trainedSteps.map(() => numBranches)] };
}

export function ticket(round: number, index: number, prompt = 'a red circle'): PromptTicket {
  const groupIndex = round * groupsPerRound + index;
  return { groupId: `${round}-${index}`, groupIndex, round, prompt };
}

export function group(
  round: number,
  index: number,
  { policyVersion = round, numBranches = 2, prompt = 'a red circle' } = {},
): RolloutGroup<string> {
  const branches = Array.from({ length: numBranches }, (_, branch) => `${round}-${index}/${branch}`);
  return {
    ...ticket(round, index, prompt),
    interval: interval(round),
    tree: forkAt(interval(round), numBranches),
    policyVersion,
    branches,
  };
}

export function rewards(round: number, index: number, values = [0, 1]): GroupRewards {
  return { groupId: `${round}-${index}`, round, rewards: values };
}

export function rewarded(
  round: number,
  index: number,
  values: readonly number[] = [0, 1],
  prompt = 'a red circle',
): RewardedGroup<string> {
  return { ...group(round, index, { numBranches: values.length, prompt }), rewards: values };
}

export function lost(
  round: number,
  index: number,
  reason: LostGroup['reason'] = 'stale',
  detail = 'in a test',
): LostGroup {
  return { groupId: `${round}-${index}`, round, reason, detail };
}
