/** @file The public operators, the records that pass between them, and the advantage rules. */

export { TributaryError } from '../errors.js';
export type { RolloutTree } from '../rollout-tree.js';
export * from './admit-by-run-ahead.js';
export { type AdvantageHistory, createHistory } from './advantages/advantage-history.js';
export type { AdvantageRule, RuleOutcome } from './advantages/advantage-rule.js';
export { backPropagatedRule } from './advantages/rules/back-propagated-rule.js';
export { branchCenteredRule } from './advantages/rules/branch-centered-rule.js';
export { groupZScoreRule } from './advantages/rules/group-z-score-rule.js';
export { historyRule } from './advantages/rules/history-rule.js';
export * from './advantages/rules/index.js';
export { leaveOneOutRule } from './advantages/rules/leave-one-out-rule.js';
export { perPromptRule } from './advantages/rules/per-prompt-rule.js';
export { rewardRule } from './advantages/rules/reward-rule.js';
export { sameDepthRule } from './advantages/rules/same-depth-rule.js';
export * from './bounded-merge.js';
export * from './branch-rollouts.js';
export * from './controlled-schedule.js';
export * from './dead-letter.js';
export * from './discard-stale.js';
export * from './gradient-steps.js';
export * from './group-advantages.js';
export {
  type CorrelationSpec,
  type IntervalScheduleOptions,
  type IntervalSpec,
  intervalSchedule,
  trainingIntervalAt,
} from './interval-schedule.js';
export * from './join-by-group.js';
export * from './raise-alarms.js';
export * from './read-latest.js';
export * from './records/records.js';
export type { ClosedRound } from './round-batch.js';
export * from './schedule-growth.js';
export * from './score-rewards.js';
