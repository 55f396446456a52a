import { z } from 'zod';
import { section } from '../../../fields.js';
import { SURROGATES } from '../../../models/objectives/index.js';

interface Surrogate<Name extends string, Fields extends z.core.$ZodLooseShape> {
  readonly type: Name;
  readonly summary: string;
  readonly fields: Fields;
}

/** The settings of one surrogate. */
function schemaOf<Name extends string, Fields extends z.core.$ZodLooseShape>({
  type,
  summary,
  fields,
}: Surrogate<Name, Fields>) {
  return section({ type: z.literal(type).describe(summary), ...fields });
}

type SchemasOf<Specs extends readonly Surrogate<string, z.core.$ZodLooseShape>[]> = {
  -readonly [Index in keyof Specs]: ReturnType<typeof schemaOf<Specs[Index]['type'], Specs[Index]['fields']>>;
};

// `map` over a tuple forgets that it was one.
const schemas = SURROGATES.map((spec) =>
  schemaOf<string, z.core.$ZodLooseShape>(spec),
) as unknown as SchemasOf<typeof SURROGATES>;

/** Settings of a surrogate, by its type. */
export const surrogateSchema = z.discriminatedUnion('type', schemas, { error: 'a mapping' });
