import * as z from 'zod';
import { integer } from '../../../fields.js';
import { ADVANTAGE_RULES, ownRuleSection } from '../../../operators/index.js';
import { portsField } from '../spec/port-fields.js';
import { defineStage } from '../spec/stage-spec.js';

/** Timers take no more: a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const closeAfterMs = integer(1, LONGEST_TIMER_MS)
  .optional()
  .describe(
    'Deadline for slow rewards: a round is closed this many milliseconds after its first rewarded group, or after its turn has come, if that is later. Missing groups count as late (`lateGroups`), and rewards that arrive for them afterwards are dropped. A round with no reward yet keeps waiting. Results then depend on timing, so runs are not reproducible bit for bit. Default: wait until every group has an outcome.',
  );

const before = {
  type: z.literal('advantages'),
  reads: portsField('read from', ['trajectories', 'rewards']),
};

export const advantagesStage = defineStage({
  name: 'advantages',
  summary: 'Joins trajectories with rewards, closes rounds and turns rewards into advantages.',
  consequences: {
    ordering: 'Groups are sorted by index before they are used, so nothing depends on arrival.',
    delivery:
      'A group that arrives twice counts once. A lost group (dead letter, too stale, never matched) is counted, and its round closes without it. With `closeAfterMs`, late groups are counted and dropped.',
    memory: 'The trajectories of open rounds, and the reward history of every prompt.',
  },
  schema: z.discriminatedUnion(
    'rule',
    [
      ...ADVANTAGE_RULES.schema({ before, after: () => ({ closeAfterMs }) }).options,
      ownRuleSection(before, { closeAfterMs }),
    ],
    { error: 'a mapping' },
  ),
  reads: {
    trajectories: 'group trajectories',
    rewards: 'group rewards',
    schedule: 'training interval',
    policy: 'policy',
  },
  writes: { batches: 'round batch' },
});
