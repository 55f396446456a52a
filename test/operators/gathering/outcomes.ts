/** @file Outcomes of groups for the tests of groupAdvantages, by letters, and the rounds that they close. */

import { from, toArray } from 'rxjs';
import { branchCenteredRule } from '../../../src/operators/advantages/rules/branch-centered-rule.js';
import {
  type GroupAdvantagesOptions,
  groupAdvantages,
} from '../../../src/operators/gathering/group-advantages.js';
import type { ClosedRound } from '../../../src/operators/gathering/round-batch.js';
import type { LostGroup, RewardedGroup } from '../../../src/operators/records/records.js';
import { lost, rewarded } from '../groups.js';

export type Outcome = RewardedGroup<string> | LostGroup;

export const plain: GroupAdvantagesOptions = {
  rule: branchCenteredRule({ minGap: 0, keep: 'extremes' }),
  groupsPerRound: 2,
  maxOpenRounds: 2,
};
export const inputs: Record<string, Outcome> = {
  a: rewarded(0, 0, [0, 1]),
  b: rewarded(0, 1, [1, 5]),
  c: rewarded(1, 0, [2, 0]),
  d: rewarded(1, 1, [3, 3]),
  e: rewarded(2, 0, [3, 3]),
  f: rewarded(0, 2, [3, 3]),
  l: lost(0, 1),
  m: lost(0, 0),
};
export const run = (outcomes: readonly Outcome[], options = plain): ClosedRound<string>[] => {
  let rounds: ClosedRound<string>[] = [];
  from(outcomes)
    .pipe(groupAdvantages<string>(options), toArray())
    .subscribe((all) => {
      rounds = all;
    });
  return rounds;
};
export const named = (letters: string) => Array.from(letters, (letter) => inputs[letter] as Outcome);
export const [first, second] = run(named('abcd'));
