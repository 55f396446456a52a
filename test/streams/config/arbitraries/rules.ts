/** @file Settings of every advantage rule; one that is missing here does not compile. */
import fc from 'fast-check';
import type { AdvantageRuleSettings } from '../../../../src/operators/index.js';
import { type AdvantageRuleName, advantageRuleSpec } from '../../../../src/operators/index.js';
import type { StageConfig } from '../../../../src/streams/config/schema/topology-schema.js';
import { count, nonNegative, positive } from './numbers.js';

type Settings<Name extends AdvantageRuleName> = Extract<AdvantageRuleSettings, { rule: Name }>;

const historyRounds = fc.integer({ min: 0, max: 20 });
const threshold = fc.double({ min: -9, max: 9, noNaN: true });
const stdFloor = nonNegative;

const BY_NAME: { readonly [Name in AdvantageRuleName]: fc.Arbitrary<Omit<Settings<Name>, 'rule'>> } = {
  history: fc
    .record({ historyRounds, thresholds: fc.tuple(threshold, threshold), stdFloor })
    .map(({ thresholds, ...rest }) => ({
      ...rest,
      bestThreshold: Math.max(...thresholds),
      worstThreshold: Math.min(...thresholds),
    })),
  'branch-centered': fc.record({
    minGap: nonNegative,
    keep: fc.constantFrom('extremes', 'all'),
    historyRounds,
    stdFloor,
  }),
  'per-prompt': count(64).chain((bufferSize) =>
    fc.record({ bufferSize: fc.constant(bufferSize), minCount: count(bufferSize), stdFloor }),
  ),
  reward: fc.record({ center: threshold, scale: positive }),
  'group-z-score': fc.record({ std: fc.constantFrom('group', 'global'), stdFloor }),
  'leave-one-out': fc.record({ scale: fc.constantFrom('none', 'global-std'), stdFloor }),
  'same-depth': fc.record({ stdFloor }),
  'back-propagated': fc.record({ stdFloor }),
  gdpo: fc.record({ stdFloor }),
};

/** By count alone, or by time too. */
const closing = fc.record({ closeAfterMs: count(2 ** 31 - 1) }, { requiredKeys: [] });

/** The stage with any rule that meets the condition. */
export function ruleWith(
  condition: (spec: ReturnType<typeof advantageRuleSpec>) => boolean,
): fc.Arbitrary<StageConfig<'advantages'>> {
  const names = (Object.keys(BY_NAME) as AdvantageRuleName[]).filter((name) =>
    condition(advantageRuleSpec(name)),
  );
  return fc.oneof(
    ...names.map((rule) =>
      fc
        .tuple(BY_NAME[rule] as fc.Arbitrary<object>, closing)
        .map(
          ([rest, closes]) => ({ type: 'advantages', rule, ...closes, ...rest }) as StageConfig<'advantages'>,
        ),
    ),
  );
}
