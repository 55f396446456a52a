import { entriesOf } from '../../catalog.js';
import type { AdvantageRule } from './advantage-rule.js';

export interface AdvantageRuleTraits {
  /** Whether it compares the branches of a group, and so needs at least two. */
  readonly comparesBranches: boolean;
  /** Whether it gives every edge of a tree an advantage of its own, so that branches may fork inside the trained steps. */
  readonly creditsEdges: boolean;
  /** Which branches of a group may become samples; a setting `keep` of the rule takes its place. */
  readonly keeps: 'extremes' | 'all';
}

/** Checks the entry of an advantage rule. */
export const defineAdvantageRule = entriesOf<AdvantageRule, [], AdvantageRuleTraits>();
