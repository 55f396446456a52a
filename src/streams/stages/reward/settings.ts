import { z } from 'zod';
import { integer, number, section } from '../../../fields.js';
import { REWARD_SOURCES } from '../../../models/rewards/index.js';
import { LARGEST_MAGNITUDE } from '../../../operators/records/reward-fault.js';
import { defineStage } from '../spec/stage-spec.js';

/** What the config has to know of a source; the whole is `RewardSourceSpec`. */
interface Source<Name extends string, Fields extends z.core.$ZodLooseShape> {
  readonly from: Name;
  readonly summary: string;
  readonly fields: Fields;
  readonly sideBySide?: string;
}

/** The source of a stage that does not say. Optional inside the default, so that the stage is told apart as one of it. */
const DEFAULT_SOURCE = 'model';

const maxMagnitude = number({ from: '(0', to: `${LARGEST_MAGNITUDE}]` })
  .default(LARGEST_MAGNITUDE)
  .describe(
    'Largest magnitude of a reward, whoever gives it. A larger one is taken for a fault: its group becomes a dead letter, and an evaluation leaves it out with a warning.',
  );

/** The fields of a stage whose rewards come from one source. */
function schemaOf<Name extends string, Fields extends z.core.$ZodLooseShape>(source: Source<Name, Fields>) {
  const { from: name, summary, fields, sideBySide } = source;
  const word = z.literal(name as string);
  const from = name === DEFAULT_SOURCE ? word.optional().default(name) : word;
  const concurrency = integer(1, 64)
    .default(1)
    .describe(`Groups that are scored at once: with more than 1 ${sideBySide}.`);
  return section({
    type: z.literal('reward'),
    from: from.describe(summary) as unknown as z.ZodLiteral<Name>,
    ...fields,
    maxMagnitude,
    // Optional to those who read it: only some sources have it.
    ...((sideBySide === undefined ? {} : { concurrency }) as unknown as {
      readonly concurrency: z.ZodOptional<typeof concurrency>;
    }),
  });
}

type SchemasOf<Sources extends readonly Source<string, z.core.$ZodLooseShape>[]> = {
  -readonly [Index in keyof Sources]: ReturnType<
    typeof schemaOf<Sources[Index]['from'], Sources[Index]['fields']>
  >;
};

// `map` over a tuple forgets that it was one.
const schemas = REWARD_SOURCES.map((source) =>
  schemaOf<string, z.core.$ZodLooseShape>(source),
) as unknown as SchemasOf<typeof REWARD_SOURCES>;

const sources = z.discriminatedUnion('from', schemas, { error: 'a mapping' });

export const rewardStage = defineStage({
  type: 'reward',
  summary: 'Scores every image of a group against its prompt.',
  consequences: {
    ordering: 'Rewards leave as they are ready; the join needs no order.',
    delivery:
      'A reward that is not finite or beyond maxMagnitude, a wrong count, or a model or service that fails makes a dead letter; it is counted and never trained on.',
    memory:
      'One batch of images and one of network activations; with a service, one request for each group at once.',
  },
  schema: sources,
  reads: { images: 'group images' },
  writes: { rewards: 'group rewards', 'dead-letters': 'dead letter', metrics: 'metric' },
});
