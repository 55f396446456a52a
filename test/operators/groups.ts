import type {
  GroupRewards,
  LostGroup,
  PromptTicket,
  RewardedGroup,
  RolloutGroup,
  TrainingInterval,
} from '../../src/operators/records/records.js';
import type { RolloutTree } from '../../src/operators/records/rollout-tree.js';

/** Records with the least that a test must say. Five groups a stage; the interval grows by one step a stage. */
export const groupsPerStage = 5;

export function interval(trainingStage: number): TrainingInterval {
  const firstStep = 6 - trainingStage;
  const trainedSteps = Array.from({ length: 10 - firstStep }, (_, index) => firstStep + index);
  return { trainingStage, firstStep, numSteps: 10, trainedSteps };
}

/** One fork, at the first trained step: B²-DiffuRL's tree. */
export function forkAt({ firstStep, trainedSteps }: TrainingInterval, numBranches: number): RolloutTree {
  return { firstStep, widths: [1, ...trainedSteps.map(() => numBranches)] };
}

export function ticket(trainingStage: number, index: number, prompt = 'a red circle'): PromptTicket {
  const groupIndex = trainingStage * groupsPerStage + index;
  return { groupId: `${trainingStage}-${index}`, groupIndex, trainingStage, prompt };
}

export function group(
  trainingStage: number,
  index: number,
  { policyVersion = trainingStage, numBranches = 2, prompt = 'a red circle' } = {},
): RolloutGroup<string> {
  const branches = Array.from({ length: numBranches }, (_, branch) => `${trainingStage}-${index}/${branch}`);
  return {
    ...ticket(trainingStage, index, prompt),
    interval: interval(trainingStage),
    tree: forkAt(interval(trainingStage), numBranches),
    policyVersion,
    branches,
  };
}

export function rewards(trainingStage: number, index: number, values = [0, 1]): GroupRewards {
  return { groupId: `${trainingStage}-${index}`, trainingStage, rewards: values };
}

export function rewarded(
  trainingStage: number,
  index: number,
  values: readonly number[] = [0, 1],
  prompt = 'a red circle',
): RewardedGroup<string> {
  return { ...group(trainingStage, index, { numBranches: values.length, prompt }), rewards: values };
}

export function lost(
  trainingStage: number,
  index: number,
  reason: LostGroup['reason'] = 'stale',
  detail = 'in a test',
): LostGroup {
  return { groupId: `${trainingStage}-${index}`, trainingStage, reason, detail };
}
