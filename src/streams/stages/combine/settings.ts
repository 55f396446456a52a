import * as z from 'zod';
import { integer, oneOf, rewardWeight, section, text } from '../../../fields.js';
import { COMBINATIONS } from '../../../operators/gathering/combined-parts.js';
import { portsField, roleField, topicName } from '../spec/port-fields.js';
import { defineStage } from '../spec/stage-spec.js';

/** Timers take no more: a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const part = section({
  topic: topicName
    .optional()
    .describe('Topic of its rewards. Default: that of the reward stage of this name, `rewards-<name>`.'),
  weight: rewardWeight()
    .default(1)
    .describe(
      'Factor of the part with `by: sum` and `by: gdpo`; a negative one makes it a penalty. With `gdpo` only their ratios count, and the largest must be at least 0.01.',
    ),
  missing: oneOf(['wait', 'drop-group', 'leave-out'])
    .default('wait')
    .describe(
      'What to do where the part is missing: its group was lost on the way to it, or `deadlineMs` has passed. `wait`: no deadline holds, and a group that is lost for the part is lost; `drop-group`: the group is lost in both cases; `leave-out`: the other parts are combined without it.',
    ),
});

export const combineStage = defineStage({
  name: 'combine',
  summary: 'Combines the rewards of several stages into one, group by group.',
  consequences: {
    ordering:
      'A group leaves as soon as its parts are there; parts are combined in the order of the config, whatever came first.',
    delivery:
      'A part that comes twice counts once. A group whose parts do not fit is lost and counted. Parts stay unanswered until their round is finished, so a crash brings them back; deadlines then begin anew.',
    memory: 'The numbers of the groups that are not finished.',
  },
  schema: section({
    type: z.literal('combine'),
    role: roleField('that of the stage that reads its rewards, usually `trainer`'),
    by: oneOf(COMBINATIONS)
      .default('sum')
      .describe(
        'How the parts of a picture become its reward: the weighted `sum`, the `product`, the `minimum`, or `gdpo`, which hands all parts to the advantage rule `gdpo`; its figures show the weighted sum.',
      ),
    parts: z
      .record(text('the name of a part'), part, { error: 'a mapping from names to parts' })
      .refine((parts) => Object.keys(parts).length > 0, { error: 'a mapping with at least one part' })
      .describe(
        'The rewards that are combined, by name: usually that of a reward stage. A prompt whose metadata has the key `reward`, a name or a list of them, is rewarded by these parts alone.',
      ),
    deadlineMs: integer(1, LONGEST_TIMER_MS)
      .optional()
      .describe(
        'How long parts are waited for, in milliseconds from the first part of a group. Which groups make it then depends on timing. Default: as long as it takes.',
      ),
    reads: portsField('read from', ['prompts']),
    writes: portsField('written to', ['rewards']),
  }),
  reads: { prompts: 'prompt ticket', progress: 'progress', rewards: 'group rewards' },
  writes: { rewards: 'group rewards' },
});
