import { z } from 'zod';
import { topologyFileSchema } from './schema/topology-schema.js';

/** Returns the JSON Schema of a config file, for editors: text that ends with a line break. */
export function topologyJsonSchema(): string {
  const schema = z.toJSONSchema(topologyFileSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      // The bound of exact integers in JavaScript is no bound of a setting.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  const { $schema, ...rest } = schema;
  return `${JSON.stringify({ $schema, title: 'Tributary topology', ...rest }, null, 2)}\n`;
}
