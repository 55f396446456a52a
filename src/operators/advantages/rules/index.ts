/** @file The advantage rules, one line each. Their order is that of config messages. */

import { Catalog, entryNamed, type SettingsOf } from '../../../catalog.js';
import type { AdvantageRule, AdvantageRuleTraits } from '../advantage-rule.js';
import { createOwnRule, type OwnRuleSettings, ownRuleTraits } from '../own-rule.js';
import { backPropagatedRuleSpec } from './back-propagated-rule.js';
import { branchCenteredRuleSpec } from './branch-centered-rule.js';
import { gdpoRuleSpec } from './gdpo-rule.js';
import { groupZScoreRuleSpec } from './group-z-score-rule.js';
import { historyRuleSpec } from './history-rule.js';
import { leaveOneOutRuleSpec } from './leave-one-out-rule.js';
import { perPromptRuleSpec } from './per-prompt-rule.js';
import { rewardRuleSpec } from './reward-rule.js';
import { sameDepthRuleSpec } from './same-depth-rule.js';

export const ADVANTAGE_RULES = new Catalog('rule', [
  historyRuleSpec,
  branchCenteredRuleSpec,
  perPromptRuleSpec,
  rewardRuleSpec,
  groupZScoreRuleSpec,
  leaveOneOutRuleSpec,
  sameDepthRuleSpec,
  backPropagatedRuleSpec,
  gdpoRuleSpec,
]);

export type AdvantageRuleName = (typeof ADVANTAGE_RULES.entries)[number]['name'];

/** Settings of a rule, as a config holds them: `{ rule: 'history', historyRounds: 8, ... }`. */
export type AdvantageRuleSettings = SettingsOf<typeof ADVANTAGE_RULES> | OwnRuleSettings;

export const createAdvantageRule = (settings: AdvantageRuleSettings): AdvantageRule =>
  settings.rule === 'module' ? createOwnRule(settings) : ADVANTAGE_RULES.create(settings);

export const advantageRuleSpec = (rule: AdvantageRuleName) => entryNamed(ADVANTAGE_RULES.entries, rule);

export const advantageRuleTraits = (settings: AdvantageRuleSettings): AdvantageRuleTraits =>
  settings.rule === 'module' ? ownRuleTraits(settings) : advantageRuleSpec(settings.rule);

/** Returns how many samples a rule selects, at most, from a group of `numBranches` branches. */
export function selectableBranches(settings: AdvantageRuleSettings, numBranches: number): number {
  const keeps = 'keep' in settings ? settings.keep : advantageRuleTraits(settings).keeps;
  return keeps === 'all' ? numBranches : Math.min(2, numBranches);
}
