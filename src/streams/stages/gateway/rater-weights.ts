import { choiceOf, type RaterHabits, raterHabits } from '../../../operators/index.js';
import type { StageConfig } from '../../config/schema/topology-schema.js';
import type { GroupVotes } from './group-votes.js';

/** How often a voter looks before anything is known of them, and how many votes that counts as. */
const PRIOR = { expected: 0.8, priorVotes: 4 };
/** Groups that are new, or gone, until the voters are judged anew. */
const EVERY = 8;
/** The newest groups, by whose votes they are judged. Bounds the time that it takes, which is some milliseconds. */
const MOST_GROUPS = 300;

/**
 * Returns how much the votes of somebody count: how likely they look before they choose, as the votes on the newest groups show
 * ({@link raterHabits}); undefined where the settings let all count alike.
 *
 * Departs from the measurement in docs/people.md, which reads all votes, by the bound on groups.
 */
export function raterWeights(
  { feedback, pictures: numPictures }: StageConfig<'gateway'>,
  votes: GroupVotes,
): ((voter: string) => number) | undefined {
  if (feedback.weights === 'alike') return undefined;
  let habits: ReadonlyMap<string, RaterHabits> = new Map();
  let judgedAt = 0;
  return (voter) => {
    if (Math.abs(votes.numGroups - judgedAt) >= EVERY) {
      judgedAt = votes.numGroups;
      const choices = votes.newest(MOST_GROUPS).flatMap(({ groupId: group, voter, judgment }) => {
        const best = choiceOf(judgment, numPictures);
        return best === undefined ? [] : [{ group, voter, best }];
      });
      habits = raterHabits(choices, { numPictures, ...PRIOR });
    }
    return habits.get(voter)?.looks ?? PRIOR.expected;
  };
}
