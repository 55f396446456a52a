import { z } from 'zod';
import { integer, section } from '../../../fields.js';
import { ADVANTAGE_RULES } from '../../../operators/index.js';
import { defineStage } from '../spec/stage-spec.js';

interface Rule<Name extends string, Fields extends z.core.$ZodLooseShape> {
  readonly rule: Name;
  readonly summary: string;
  readonly fields: Fields;
}

/** Timers take no more: a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const closeAfterMs = integer(1, LONGEST_TIMER_MS)
  .optional()
  .describe(
    'Milliseconds after the first rewarded group of a round, once it is its turn, after which the round is trained on the groups that are there; absent: only when all groups have an outcome. For prompts and rewards that trickle in. The missing groups are counted as late (`lateGroups`), and a rating that comes for one is dropped. A round in which nothing is rewarded waits. What is trained then depends on the clock: a run does not repeat bit for bit.',
  );

/** The stage with one rule: the settings of the rule are its own. */
function schemaOf<Name extends string, Fields extends z.core.$ZodLooseShape>({
  rule,
  summary,
  fields,
}: Rule<Name, Fields>) {
  return section({
    type: z.literal('advantages'),
    rule: z.literal(rule).describe(summary),
    closeAfterMs,
    ...fields,
  });
}

type SchemasOf<Rules extends readonly Rule<string, z.core.$ZodLooseShape>[]> = {
  -readonly [Index in keyof Rules]: ReturnType<typeof schemaOf<Rules[Index]['rule'], Rules[Index]['fields']>>;
};

// `map` over a tuple forgets that it was one.
const schemas = ADVANTAGE_RULES.map((spec) =>
  schemaOf<string, z.core.$ZodLooseShape>(spec),
) as unknown as SchemasOf<typeof ADVANTAGE_RULES>;

export const advantagesStage = defineStage({
  type: 'advantages',
  summary: 'Joins trajectories with rewards, closes a round and turns rewards into advantages.',
  consequences: {
    ordering: 'Groups are sorted by index before they are used, so nothing depends on arrival.',
    delivery:
      'A group that comes twice counts once. A lost group (dead letter, too stale, never matched) is counted and closes its round with the rest. With `closeAfterMs` a group that is late is counted and dropped.',
    memory: 'The trajectories of the rounds that are open, and the reward history of every prompt.',
  },
  schema: z.discriminatedUnion('rule', schemas, { error: 'a mapping' }),
  reads: {
    trajectories: 'group trajectories',
    rewards: 'group rewards',
    schedule: 'training interval',
    policy: 'policy',
  },
  writes: { batches: 'round batch' },
});
