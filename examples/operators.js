// Operators in RxJS code of one's own: candidate answers are scored in groups, and a round of two groups becomes advantages.
//
//     node examples/operators.js
//
// Prints the group whose scoring failed, which is lost and stops nothing, then the advantages of each round.

import { from, map, merge, of, Subject, tap } from 'rxjs';
import { groupAdvantages, leaveOneOutRule, scoreRewards } from 'tributary-rl/operators';

/** @type {[round: number, index: number, prompt: string, branches: string[]][]} */
const ROLLOUTS = [
  [0, 0, 'name a color', ['red', 'ultramarine']],
  [0, 1, 'name a fruit', ['', 'fig']],
  [1, 0, 'name a color', ['red', 'olive', 'vermilion']],
  [1, 1, 'name a fruit', ['pear', 'tangerine']],
];
const groups = ROLLOUTS.map(([round, index, prompt, branches]) => ({
  groupId: `${round}-${index}`,
  groupIndex: 2 * round + index,
  ...{ round, prompt, branches },
  interval: { round, firstStep: 0, numSteps: 1, trainedSteps: [0] },
  tree: { firstStep: 0, widths: [1, branches.length] },
  policyVersion: round,
}));

/** @param {{ branches: readonly unknown[] }} group */
const score = ({ branches }) => {
  if (branches.includes('')) throw new Error('an empty answer');
  return of(branches.map((answer) => String(answer).length));
};

/** @type {Subject<import('tributary-rl/operators').LostGroup>} */
const lost$ = new Subject();
const rewarded$ = from(groups).pipe(
  scoreRewards({
    score,
    concurrency: 1,
    maxQueued: groups.length,
    deadLetters: ({ message: { groupId, round }, reason }) => {
      console.log(`lost ${groupId}: ${reason}`);
      lost$.next({ groupId, round, reason: 'dead-letter', detail: reason });
    },
  }),
  map(({ groupId, rewards }) => ({ ...groups.filter((group) => group.groupId === groupId)[0], rewards })),
  tap({ complete: () => lost$.complete() }),
);
const rule = leaveOneOutRule({ scale: 'none' });
merge(lost$, rewarded$)
  .pipe(groupAdvantages({ rule, groupsPerRound: 2, maxOpenRounds: 2 }))
  .subscribe(({ round, batch }) => {
    const advantages = batch.samples.map(
      ({ trajectory, advantage }) => `${trajectory} ${advantage.toFixed(1)}`,
    );
    console.log(`round ${round}: ${advantages.join(', ')}`);
  });
