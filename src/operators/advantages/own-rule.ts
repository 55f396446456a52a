import * as z from 'zod';
import { section } from '../../fields.js';
import {
  calling,
  createOwn,
  type OwnSettings,
  ownFault,
  ownFields,
  withOwnOptions,
} from '../../own-entries.js';
import type { RewardedGroup, SelectedSample } from '../records/records.js';
import type { AdvantageHistory } from './advantage-history.js';
import { type AdvantageRule, type AdvantageRuleTraits, sampleOf } from './advantage-rule.js';
import { ruleStatistics } from './rule-statistics.js';

/** A group as the rule of a module sees it. */
export type JudgedGroup = Pick<RewardedGroup<unknown>, 'groupId' | 'prompt' | 'round' | 'rewards'>;

/** What a module makes of its options. */
export interface OwnRule {
  /** Whether it compares the branches of a group, and so needs at least two. Default: yes. */
  readonly comparesBranches?: boolean;
  /** Rounds whose rewards are remembered, also through a resume. Default 0. */
  readonly historyRounds?: number;
  /**
   * The advantages of a round: for each group, in order, one number per branch, or null for a branch that is not trained on.
   *
   * @param history the remembered rounds, oldest first, each with the rewards of its prompts.
   */
  readonly advantages: (
    groups: readonly JudgedGroup[],
    history: AdvantageHistory['rounds'],
  ) => readonly (readonly (number | null)[])[];
}

export type OwnRuleSettings = OwnSettings & { readonly rule: 'module' };

/** The mapping of a config that names a rule's module. */
export const ownRuleSection = <Before extends z.core.$ZodLooseShape, After extends z.core.$ZodLooseShape>(
  before: Before,
  after: After,
) =>
  withOwnOptions(
    section({
      ...before,
      rule: z.literal('module').describe('Your own, exported by a JavaScript module (docs/own-modules.md).'),
      ...ownFields,
      ...after,
    }),
  );

function makeRule(settings: OwnSettings): OwnRule {
  const rule = createOwn('advantage rule', settings) as OwnRule | undefined;
  const { historyRounds = 0 } = rule ?? {};
  if (typeof rule?.advantages !== 'function')
    throw ownFault('advantage rule', settings.module, 'create to return a function advantages', 'none');
  if (Number.isInteger(historyRounds) && historyRounds >= 0) return rule;
  throw ownFault('advantage rule', settings.module, 'a whole number of historyRounds', String(historyRounds));
}

export function ownRuleTraits(settings: OwnSettings): AdvantageRuleTraits {
  const { comparesBranches = true } = makeRule(settings);
  return { comparesBranches, creditsEdges: false, keeps: 'all' };
}

/** Creates the rule of a module. Errors: TRIB_CONFIG, from the rule, too, if it throws or does not fit the round. */
export function createOwnRule(settings: OwnSettings): AdvantageRule {
  const { module } = settings;
  const rule = makeRule(settings);
  return (history, groups) => {
    const judged = groups.map(
      ({ groupId, prompt, round, rewards }): JudgedGroup => ({ groupId, prompt, round, rewards }),
    );
    const answer: unknown = calling('advantage rule', module, 'advantages', () =>
      rule.advantages(judged, history.rounds),
    );
    if (!Array.isArray(answer) || answer.length !== groups.length) {
      const got = Array.isArray(answer) ? `lists for ${answer.length}` : typeof answer;
      throw ownFault(
        'advantage rule',
        module,
        `a list of advantages for each of ${groups.length} groups`,
        got,
      );
    }
    const samples = groups.flatMap((group, index) => samplesOf(module, group, answer[index]));
    const round = groups.map(({ prompt, rewards }) => ({ prompt, rewards }));
    const kept = rule.historyRounds ?? 0;
    const rounds = kept === 0 ? [] : [...history.rounds, round].slice(-kept);
    return { state: { rounds }, samples, statistics: ruleStatistics(groups, samples) };
  };
}

function samplesOf<Trajectory>(
  module: string,
  group: RewardedGroup<Trajectory>,
  advantages: unknown,
): SelectedSample<Trajectory>[] {
  const { groupId, branches } = group;
  const place = `group ${groupId}`;
  if (!Array.isArray(advantages) || advantages.length !== branches.length) {
    const got = Array.isArray(advantages) ? String(advantages.length) : typeof advantages;
    throw ownFault('advantage rule', module, `${branches.length} advantages for ${place}, one a branch`, got);
  }
  return advantages.flatMap((advantage: unknown, branch) => {
    if (advantage === null) return [];
    if (typeof advantage === 'number' && Number.isFinite(advantage))
      return [sampleOf(group, branch, advantage)];
    const expected = `a finite number or null for branch ${branch} of ${place}`;
    throw ownFault('advantage rule', module, expected, String(advantage));
  });
}
