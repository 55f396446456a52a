import { TributaryError } from '../errors.js';
import type { AdvantageHistory } from './advantages/advantage-history.js';
import type { AdvantageRule } from './advantages/advantage-rule.js';
import { overflowError } from './checks/overflow-error.js';
import type { LostGroup, RewardedGroup } from './records/records.js';
import { type ClosedStage, closeStage } from './stage-batch.js';

export interface OpenStagesOptions {
  readonly rule: AdvantageRule;
  /** Outcomes that fill a stage. */
  readonly groupsPerStage: number;
  /** Stages that may be open at once. */
  readonly maxOpenStages: number;
  readonly firstTrainingStage: number;
  /** The history before that stage. */
  readonly initialState: AdvantageHistory;
}

/** The training stages that wait for outcomes. They close in order, as each sees the history of those before it. */
export interface OpenStages<Trajectory> {
  /** Takes an outcome and returns the stages that close because of it. What comes twice or too late counts for nothing. */
  add(outcome: RewardedGroup<Trajectory> | LostGroup): ClosedStage<Trajectory>[];
  /** Closes the next stage with the outcomes that are there, then those behind it that are full. */
  closeNext(): ClosedStage<Trajectory>[];
  /** The next stage to close, where it has a rewarded group; else null. */
  rewardedStage(): number | null;
}

/**
 * Creates the memory of `groupAdvantages`.
 *
 * Errors: TRIB_OVERFLOW when one more stage would open; TRIB_OPERATOR when a stage has more groups than it should.
 */
export function createOpenStages<Trajectory>(options: OpenStagesOptions): OpenStages<Trajectory> {
  const { rule, groupsPerStage, maxOpenStages, firstTrainingStage, initialState } = options;
  const open = new Map<number, Map<string, RewardedGroup<Trajectory> | LostGroup>>();
  let nextStage = firstTrainingStage;
  let history = initialState;

  const close = (): ClosedStage<Trajectory> => {
    const outcomes = [...(open.get(nextStage)?.values() ?? [])];
    const stage = closeStage({ trainingStage: nextStage, groupsPerStage, outcomes }, rule, history);
    open.delete(nextStage);
    nextStage += 1;
    history = stage.state;
    return stage;
  };
  const closeFull = (): ClosedStage<Trajectory>[] => {
    const closed: ClosedStage<Trajectory>[] = [];
    while (open.get(nextStage)?.size === groupsPerStage) closed.push(close());
    return closed;
  };
  return {
    add(outcome) {
      const { groupId, trainingStage } = outcome;
      if (trainingStage < nextStage) return [];
      const outcomes = open.get(trainingStage) ?? new Map();
      if (outcomes.has(groupId)) return [];
      if (outcomes.size === groupsPerStage) throw surplus(groupId, groupsPerStage);
      open.set(trainingStage, outcomes.set(groupId, outcome));
      if (open.size > maxOpenStages) {
        throw overflowError('groupAdvantages stages', `${maxOpenStages} open`, 'maxOpenStages');
      }
      return closeFull();
    },
    closeNext: () => [close(), ...closeFull()],
    rewardedStage() {
      for (const outcome of open.get(nextStage)?.values() ?? []) if ('rewards' in outcome) return nextStage;
      return null;
    },
  };
}

function surplus(groupId: string, groupsPerStage: number): TributaryError {
  return new TributaryError(
    'TRIB_OPERATOR',
    `groupAdvantages group ${groupId}: expected ${groupsPerStage} groups in its stage, got another. Give prompts and groupAdvantages the same \`groupsPerStage\`.`,
  );
}
