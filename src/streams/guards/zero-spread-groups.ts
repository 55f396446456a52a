import { type GuardSpec, ofRounds } from './guard-spec.js';

/**
 * Zero-spread groups: all branches of a group have one reward, so the group teaches nothing.
 *
 *     value = zeroSpreadGroups / groups
 *
 * of one round; none where every group was lost. Groups of one branch have no spread to lose, and are not counted.
 */
export const zeroSpreadGroups: GuardSpec = {
  description:
    'Zero-spread groups: all branches of a group have one reward, so that nothing is learned from it.',
  threshold: {
    default: 0.9,
    description: 'Largest share of a round whose groups have no spread, in [0, 1]. 1 never raises an alarm.',
  },
  defaultAction: 'warn',
  quantity: 'of the groups without spread',
  nextStep: 'Train more steps, so that branches differ, take harder prompts, or a finer reward',
  start: () => ofRounds(({ zeroSpreadGroups: count, groups }) => (groups === 0 ? null : count / groups)),
};
