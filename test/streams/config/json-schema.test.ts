import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { topologyJsonSchema } from '../../../src/streams/config/json-schema.js';

/** Every property below a JSON Schema, with its path. */
function propertiesOf(schema: unknown, path = ''): [string, Record<string, unknown>][] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]: [string, unknown]) => {
    if (key !== 'properties') return propertiesOf(value, path);
    return Object.entries(value as Record<string, Record<string, unknown>>).flatMap(
      ([name, property]): [string, Record<string, unknown>][] => [
        [`${path}.${name}`, property],
        ...propertiesOf(property, `${path}.${name}`),
      ],
    );
  });
}

describe('topologyJsonSchema', () => {
  const text = topologyJsonSchema();
  const schema = JSON.parse(text) as Record<string, unknown>;

  it('should be what config/topology.schema.json holds (remake it with `npm run schema`)', () => {
    expect(readFileSync('config/topology.schema.json', 'utf8')).toBe(text);
  });

  it('should describe every field', () => {
    const properties = propertiesOf(schema);
    expect(properties.length).toBeGreaterThan(60);
    const undescribed = properties.filter(
      ([path, { description }]) => !path.endsWith('.type') && !description,
    );
    expect(undescribed.map(([path]) => path)).toEqual([]);
  });

  it('should leave what another file may hold to that file', () => {
    expect(schema).not.toHaveProperty('required');
    expect(schema).toHaveProperty('properties.extends');
  });
});
