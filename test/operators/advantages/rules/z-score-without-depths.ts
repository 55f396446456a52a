import fc from 'fast-check';
import { expect } from 'vitest';
import { createHistory } from '../../../../src/operators/advantages/advantage-history.js';
import { groupZScoreRule } from '../../../../src/operators/advantages/rules/group-z-score-rule.js';
import type { AdvantageRule } from '../../../../src/operators/index.js';
import { rewarded } from '../../groups.js';

/** A rule that credits the nodes of a tree, on groups whose branches fork at the root: it compares them as a group. */
export function expectZScoreWithoutDepths(rule: AdvantageRule): void {
  const rewards = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(rewards, (values) => {
      const group = rewarded(0, 0, values);
      const flat = groupZScoreRule({ std: 'group' })(createHistory(), [group]).samples;
      const tree = rule(createHistory(), [group]).samples;
      expect(tree.map(({ advantage }) => advantage)).toEqual(flat.map(({ advantage }) => advantage));
      tree.forEach(({ advantage, stepAdvantages }) => {
        expect(stepAdvantages).toEqual(group.interval.trainedSteps.map(() => advantage));
      });
    }),
  );
}
