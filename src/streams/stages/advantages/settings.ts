import { z } from 'zod';
import { integer } from '../../../fields.js';
import { ADVANTAGE_RULES } from '../../../operators/index.js';
import { defineStage } from '../spec/stage-spec.js';

/** Timers take no more: a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const closeAfterMs = integer(1, LONGEST_TIMER_MS)
  .optional()
  .describe(
    'Milliseconds after the first rewarded group of a round, once it is its turn, after which the round is trained on the groups that are there; absent: only when all groups have an outcome. For prompts and rewards that trickle in. The missing groups are counted as late (`lateGroups`), and a rating that comes for one is dropped. A round in which nothing is rewarded waits. What is trained then depends on the clock: a run does not repeat bit for bit.',
  );

export const advantagesStage = defineStage({
  name: 'advantages',
  summary: 'Joins trajectories with rewards, closes a round and turns rewards into advantages.',
  consequences: {
    ordering: 'Groups are sorted by index before they are used, so nothing depends on arrival.',
    delivery:
      'A group that comes twice counts once. A lost group (dead letter, too stale, never matched) is counted and closes its round with the rest. With `closeAfterMs` a group that is late is counted and dropped.',
    memory: 'The trajectories of the rounds that are open, and the reward history of every prompt.',
  },
  schema: ADVANTAGE_RULES.schema({
    before: { type: z.literal('advantages') },
    after: () => ({ closeAfterMs }),
  }),
  reads: {
    trajectories: 'group trajectories',
    rewards: 'group rewards',
    schedule: 'training interval',
    policy: 'policy',
  },
  writes: { batches: 'round batch' },
});
