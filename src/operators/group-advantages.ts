import { defer, mergeMap, type OperatorFunction } from 'rxjs';
import { TributaryError } from '../errors.js';
import { type AdvantageHistory, createHistory } from './advantage-history.js';
import type { AdvantageRule } from './advantage-rule.js';
import { overflowError } from './overflow-error.js';
import type { LostGroup, RewardedGroup } from './records.js';
import { requireCount } from './require-count.js';
import { type ClosedStage, closeStage } from './stage-batch.js';

export interface GroupAdvantagesOptions {
  readonly rule: AdvantageRule;
  /** Outcomes, rewarded or lost, that close a stage; at least 1. */
  readonly groupsPerStage: number;
  /** Stages that may be open at once, at least 1; 1 + ⌈runAhead / groupsPerStage⌉ is enough. */
  readonly maxOpenStages: number;
  /** The first training stage to close (a resumed run). Default 0. */
  readonly firstTrainingStage?: number;
  /** The history before that stage. Default: that of a new run. */
  readonly initialState?: AdvantageHistory;
}

/**
 * Gathers the outcomes of each training stage and turns them into one batch of samples with advantages.
 *
 * ```
 * source  a-c-b---d--|     groupsPerStage 2; a, b of stage 0; c, d of stage 1
 * result  ----x---y--|     x from ab, y from cd
 * ```
 *
 * Time: emits a stage when its `groupsPerStage` outcomes are in and all earlier stages are out, so stages leave in order
 * and each sees the history of those before it. Completes with the source; a stage that is then incomplete is not
 * emitted (its groups come again after a resume). Errs with the source or the rule. Buffers the groups of at most
 * `maxOpenStages` stages. A second outcome of a group, and any outcome of a stage that is out, is dropped.
 * The result does not depend on the order of arrival.
 *
 * Errors: TRIB_OVERFLOW when one more stage would open; TRIB_OPERATOR when a stage has more groups than it should, or
 * groups of one stage have different intervals.
 */
export function groupAdvantages<Trajectory>(
  options: GroupAdvantagesOptions,
): OperatorFunction<RewardedGroup<Trajectory> | LostGroup, ClosedStage<Trajectory>> {
  const { rule, groupsPerStage, maxOpenStages } = options;
  const { firstTrainingStage = 0, initialState = createHistory() } = options;
  requireCount('groupAdvantages', 'groupsPerStage', groupsPerStage, 1);
  requireCount('groupAdvantages', 'maxOpenStages', maxOpenStages, 1);
  requireCount('groupAdvantages', 'firstTrainingStage', firstTrainingStage, 0);
  return (source) =>
    defer(() => {
      const open = new Map<number, Map<string, RewardedGroup<Trajectory> | LostGroup>>();
      let nextStage = firstTrainingStage;
      let history = initialState;
      const add = (outcome: RewardedGroup<Trajectory> | LostGroup): void => {
        const { groupId, trainingStage } = outcome;
        if (trainingStage < nextStage) return;
        const outcomes = open.get(trainingStage) ?? new Map();
        if (outcomes.has(groupId)) return;
        if (outcomes.size === groupsPerStage) throw surplus(groupId, groupsPerStage);
        open.set(trainingStage, outcomes.set(groupId, outcome));
        if (open.size > maxOpenStages) {
          throw overflowError('groupAdvantages stages', `${maxOpenStages} open`, 'maxOpenStages');
        }
      };
      const close = (): ClosedStage<Trajectory>[] => {
        const closed: ClosedStage<Trajectory>[] = [];
        for (let next = open.get(nextStage); next?.size === groupsPerStage; next = open.get(nextStage)) {
          const outcomes = [...next.values()];
          const rewarded = outcomes.filter((outcome) => 'rewards' in outcome);
          const lost = outcomes.filter((outcome) => 'reason' in outcome);
          const stage = closeStage(nextStage, rewarded, lost, rule, history);
          open.delete(nextStage);
          nextStage += 1;
          history = stage.state;
          closed.push(stage);
        }
        return closed;
      };
      return source.pipe(
        mergeMap((outcome) => {
          add(outcome);
          return close();
        }),
      );
    });
}

function surplus(groupId: string, groupsPerStage: number): TributaryError {
  return new TributaryError(
    'TRIB_OPERATOR',
    `groupAdvantages group ${groupId}: expected ${groupsPerStage} groups in its stage, got another. Give prompts and groupAdvantages the same \`groupsPerStage\`.`,
  );
}
