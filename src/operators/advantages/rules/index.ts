/** @file The advantage rules, one line each. Their order is that of config messages. */

import type { AdvantageRule } from '../advantage-rule.js';
import { backPropagatedRuleSpec } from './back-propagated-rule.js';
import { branchCenteredRuleSpec } from './branch-centered-rule.js';
import { groupZScoreRuleSpec } from './group-z-score-rule.js';
import { historyRuleSpec } from './history-rule.js';
import { leaveOneOutRuleSpec } from './leave-one-out-rule.js';
import { perPromptRuleSpec } from './per-prompt-rule.js';
import { rewardRuleSpec } from './reward-rule.js';
import { sameDepthRuleSpec } from './same-depth-rule.js';

export const ADVANTAGE_RULES = [
  historyRuleSpec,
  branchCenteredRuleSpec,
  perPromptRuleSpec,
  rewardRuleSpec,
  groupZScoreRuleSpec,
  leaveOneOutRuleSpec,
  sameDepthRuleSpec,
  backPropagatedRuleSpec,
] as const;

type Spec = (typeof ADVANTAGE_RULES)[number];

export type AdvantageRuleName = Spec['rule'];

/** Settings of a rule, as a config holds them: `{ rule: 'history', historyRounds: 8, ... }`. */
export type AdvantageRuleSettings = {
  [Each in Spec as Each['rule']]: { readonly rule: Each['rule'] } & Readonly<Parameters<Each['create']>[0]>;
}[AdvantageRuleName];

/** Returns the spec of a rule. */
export function advantageRuleSpec(rule: AdvantageRuleName): Spec {
  return ADVANTAGE_RULES.find((spec) => spec.rule === rule) as Spec;
}

/** Creates the rule that the settings name. */
export function createAdvantageRule(settings: AdvantageRuleSettings): AdvantageRule {
  // The settings of a rule are what its own functions take; the way from name to spec forgets that.
  const create = advantageRuleSpec(settings.rule).create as (
    settings: AdvantageRuleSettings,
  ) => AdvantageRule;
  return create(settings);
}

/** Samples that the rule selects from one group of so many branches, at most. */
export function selectableBranches(settings: AdvantageRuleSettings, numBranches: number): number {
  const { selectable } = advantageRuleSpec(settings.rule);
  return (selectable as (settings: AdvantageRuleSettings, numBranches: number) => number)(
    settings,
    numBranches,
  );
}
