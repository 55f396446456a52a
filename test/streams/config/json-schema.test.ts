import { describe, expect, it } from 'vitest';
import { SURROGATES } from '../../../src/models/objectives/index.js';
import { REWARD_SOURCES } from '../../../src/models/rewards/index.js';
import { topologyJsonSchema } from '../../../src/streams/config/schema/topology-schema.js';
import { configPage } from '../../docs/config-page.js';

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

  it('should be what config/topology.schema.json holds (`npm run schema` writes it)', async () => {
    await expect(text).toMatchFileSnapshot('../../../config/topology.schema.json');
  });

  it('should be the page docs/config.md in words, which leaves no field out (`npm run schema` writes it)', async () => {
    const page = configPage();
    await expect(page).toMatchFileSnapshot('../../../docs/config.md');
    const names = propertiesOf(schema).flatMap(([path, field]) =>
      'const' in field ? [] : [path.split('.').at(-1)],
    );
    expect(
      names.filter(
        (name) => name !== 'extends' && !page.includes(`- \`${name}\``) && !page.includes(`\n## \`${name}\``),
      ),
    ).toEqual([]);
    const words = propertiesOf(schema).flatMap(([path, { const: word }]) =>
      word === undefined || /\.(type|version)$/.test(path) ? [] : [`${path.split('.').at(-1)}: ${word}`],
    );
    expect(words.filter((word) => !page.includes(`- \`${word}\``))).toEqual([]);
  });

  it('should describe every field', () => {
    const properties = propertiesOf(schema);
    expect(properties.length).toBeGreaterThan(120);
    const undescribed = properties.filter(
      ([path, { description }]) => path !== '.stages.type' && !description,
    );
    expect(undescribed.map(([path]) => path)).toEqual([]);
  });

  it.each([
    ['surrogate', 'type', [...SURROGATES.entries.map(({ name }) => name), 'module']],
    ['updates', 'from', ['round', 'replay']],
    ['value', 'type', ['none', 'network']],
  ])('should offer every kind of %s with its own settings', (name, key, kinds) => {
    const [, setting] = propertiesOf(schema).find(([path]) => path === `.stages.${name}`) ?? [];
    const variants = setting?.oneOf as { properties: Record<string, { const?: string }> }[];
    expect(variants.map(({ properties }) => properties[key]?.const)).toEqual(kinds);
    expect(variants.every((variant) => 'additionalProperties' in variant)).toBe(true);
    const own = variants.map(({ properties }) => Object.keys(properties).join());
    expect(new Set(own).size).toBeGreaterThan(1);
  });

  it('should offer every source of rewards, alone and as part of a sum', () => {
    const words = REWARD_SOURCES.entries.map(({ name }) => name);
    const named = propertiesOf(schema).flatMap(([path, { const: word }]) =>
      path.endsWith('.from') && words.includes(word as never) ? [`${path} ${word}`] : [],
    );
    for (const word of words) expect(named).toContain(`.stages.from ${word}`);
    for (const word of words.filter((one) => one !== 'sum'))
      expect(named).toContain(`.stages.parts.from ${word}`);
  });

  it('should leave what another file may hold to that file', () => {
    expect(schema).not.toHaveProperty('required');
    expect(schema).toHaveProperty('properties.extends');
  });
});
