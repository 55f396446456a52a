import { describe, expect, expectTypeOf, it } from 'vitest';
import * as z from 'zod';
import { Catalog, entriesOf, entryNamed, namesOf, type SettingsOf } from '../src/catalog.js';
import { integer } from '../src/fields.js';
import { faultOf } from './fixtures/fault-of.js';

const define = entriesOf<number, [offset: number], { readonly isRound?: boolean }>();
const square = define({
  name: 'square',
  summary: 'A square.',
  fields: { side: integer(1).default(2) },
  create: ({ side }, offset) => side ** 2 + offset,
});
const circle = define({
  name: 'circle',
  summary: 'A circle.',
  fields: { radius: integer(1) },
  isRound: true,
  create: ({ radius }, offset) => 3 * radius ** 2 + offset,
});
const AREAS = new Catalog('shape', [square, circle]);

describe('Catalog', () => {
  it('should create by name, with the settings of that entry and what the caller adds', () => {
    expect(AREAS.create({ shape: 'square', side: 3 }, 1)).toBe(10);
    expect(AREAS.create({ shape: 'circle', radius: 1 }, 0)).toBe(3);
    // @ts-expect-error the settings of another entry
    const wrong = () => AREAS.create({ shape: 'circle', side: 3 }, 1);
    // @ts-expect-error no entry of this name
    const unknown = () => AREAS.create({ shape: 'star' }, 1);
    expectTypeOf([wrong, unknown]).toBeArray();
    expectTypeOf<SettingsOf<typeof AREAS>['shape']>().toEqualTypeOf<'square' | 'circle'>();
  });

  it('should offer a strict mapping for each entry, with its fields between those of all', () => {
    const schema = AREAS.schema({
      before: { type: z.literal('area') },
      after: () => ({ count: integer(0) }),
    });
    expect(schema.options.map(({ shape }) => Object.keys(shape))).toEqual([
      ['type', 'shape', 'side', 'count'],
      ['type', 'shape', 'radius', 'count'],
    ]);
    const parsed = schema.parse({ type: 'area', shape: 'square', count: 1 });
    expect(parsed).toEqual({ type: 'area', shape: 'square', side: 2, count: 1 });
    if (parsed.shape === 'square') expectTypeOf(parsed.side).toEqualTypeOf<number>();
    expect(schema.safeParse({ ...parsed, radius: 1 }).success).toBe(false);
  });

  it('should take a mapping without a name for the default, and tell fields by entry', () => {
    const schema = AREAS.schema({
      after: ({ isRound }) => (isRound ? { turns: integer(0).default(7) } : { turns: integer(1).default(1) }),
      byDefault: 'square',
    });
    expect(schema.parse({})).toEqual({ shape: 'square', side: 2, turns: 1 });
    expect(schema.parse({ shape: 'circle', radius: 1 })).toEqual({ shape: 'circle', radius: 1, turns: 7 });
  });
});

describe('entryNamed', () => {
  it('should find entries, and err where there is none', async () => {
    expect(namesOf(AREAS.entries)).toEqual(['square', 'circle']);
    expect(entryNamed(AREAS.entries, 'circle')).toBe(circle);
    expect(await faultOf(() => entryNamed(AREAS.entries, 'star' as 'circle'))).toEqual([
      'TRIB_INTERNAL',
      'catalog: expected one of square, circle, got star. Lint the config.',
    ]);
  });
});
