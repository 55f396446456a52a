import { z } from 'zod';
import { section } from '../../../fields.js';
import { ADVANTAGE_RULES } from '../../../operators/index.js';
import { defineStage } from '../stage-spec.js';

interface Rule<Name extends string, Fields extends z.core.$ZodLooseShape> {
  readonly rule: Name;
  readonly summary: string;
  readonly fields: Fields;
}

/** The stage with one rule: the settings of the rule are its own. */
function schemaOf<Name extends string, Fields extends z.core.$ZodLooseShape>({
  rule,
  summary,
  fields,
}: Rule<Name, Fields>) {
  return section({ type: z.literal('groupAdvantages'), rule: z.literal(rule).describe(summary), ...fields });
}

type SchemasOf<Rules extends readonly Rule<string, z.core.$ZodLooseShape>[]> = {
  -readonly [Index in keyof Rules]: ReturnType<typeof schemaOf<Rules[Index]['rule'], Rules[Index]['fields']>>;
};

// `map` over a tuple forgets that it was one.
const schemas = ADVANTAGE_RULES.map((spec) =>
  schemaOf<string, z.core.$ZodLooseShape>(spec),
) as unknown as SchemasOf<typeof ADVANTAGE_RULES>;

export const groupAdvantagesStage = defineStage({
  type: 'groupAdvantages',
  summary: 'Joins trajectories with rewards, closes a training stage and turns rewards into advantages.',
  consequences: {
    ordering: 'Groups are sorted by index before they are used, so nothing depends on arrival.',
    delivery:
      'A group that comes twice counts once. A lost group (dead letter, too stale, never matched) is counted and closes its stage with the rest.',
    memory: 'The trajectories of the training stages that are open, and the reward history of every prompt.',
  },
  schema: z.discriminatedUnion('rule', schemas, { error: 'a mapping' }),
  reads: {
    trajectories: 'group trajectories',
    rewards: 'group rewards',
    schedule: 'training interval',
    policy: 'policy',
  },
  writes: { batches: 'stage batch' },
});
