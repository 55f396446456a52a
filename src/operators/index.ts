/** @file The public operators, the records that pass between them, and the advantage rules. */

export { TributaryError } from '../errors.js';
export type { RolloutTree } from '../rollout-tree.js';
export * from './admit-by-run-ahead.js';
export { type AdvantageHistory, createHistory } from './advantages/advantage-history.js';
export type { AdvantageRule, RuleOutcome } from './advantages/advantage-rule.js';
export { type JudgedGroup, type OwnRule, ownRuleSection } from './advantages/own-rule.js';
export { backPropagatedRule } from './advantages/rules/back-propagated-rule.js';
export { branchCenteredRule } from './advantages/rules/branch-centered-rule.js';
export { gdpoRule } from './advantages/rules/gdpo-rule.js';
export { groupZScoreRule } from './advantages/rules/group-z-score-rule.js';
export { historyRule } from './advantages/rules/history-rule.js';
export * from './advantages/rules/index.js';
export { leaveOneOutRule } from './advantages/rules/leave-one-out-rule.js';
export { perPromptRule } from './advantages/rules/per-prompt-rule.js';
export { rewardRule } from './advantages/rules/reward-rule.js';
export { sameDepthRule } from './advantages/rules/same-depth-rule.js';
export * from './answer-each.js';
export * from './bounded-merge.js';
export * from './branch-rollouts.js';
export * from './controlled-schedule.js';
export * from './copy-to.js';
export * from './dead-letter.js';

export * from './discard-stale.js';
export * from './feedback/feedback-rules.js';
export * from './gathering/combine-rewards.js';
export * from './gathering/decide-by-votes.js';
export * from './gathering/group-advantages.js';
export * from './gathering/join-by-group.js';
export type { ClosedRound } from './gathering/round-batch.js';
export * from './gradient-steps.js';
export * from './interval-schedule.js';
export * from './raise-alarms.js';
export * from './read-latest.js';
export * from './records/records.js';
export * from './schedule-growth.js';
export * from './score-rewards.js';
