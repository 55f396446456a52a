/**
 * @file What a config chooses by name: an advantage rule, a surrogate, a reward source, a fork plan, a stage. Each choice is
 * an entry that describes itself, wherever it lives, and one line of a list. Config, lint, docs and JSON Schema follow.
 */
import * as z from 'zod';
import { TributaryError } from './errors.js';
import { section } from './fields.js';

type Shape = z.core.$ZodLooseShape;
type Settings<Fields extends Shape> = Readonly<z.output<z.ZodObject<Fields>>>;
type List<Item> = readonly [Item, ...Item[]];

export interface Entry<Name extends string = string> {
  /** Its word in a config. */
  readonly name: Name;
  /** What it does, and where it comes from. */
  readonly summary: string;
}

/** An entry with settings, from which it creates what the run uses. */
export interface ConfiguredEntry<Name extends string, Fields extends Shape, Made, Context extends unknown[]>
  extends Entry<Name> {
  /** Each with a description and, where one makes sense, a default. */
  readonly fields: Fields;
  /** A method, so that entries with different settings fit into one list; `SettingsOf` keeps names and settings together. */
  create(settings: Settings<Fields>, ...context: Context): Made;
}

/** Returns the function that checks entries of one kind and keeps their literal types. */
export function entriesOf<Made, Context extends unknown[] = [], Traits = unknown>() {
  return <const Name extends string, Fields extends Shape>(
    entry: ConfiguredEntry<Name, Fields, Made, Context> & Traits,
  ) => entry;
}

/** Errors: TRIB_INTERNAL for a name that no entry has. */
export function entryNamed<Each extends Entry>(entries: readonly Each[], name: Each['name']): Each {
  const entry = entries.find((one) => one.name === name);
  if (entry) return entry;
  const names = entries.map((one) => one.name).join(', ');
  throw new TributaryError(
    'TRIB_INTERNAL',
    `catalog: expected one of ${names}, got ${name}. Lint the config.`,
  );
}

export function namesOf<Name extends string>([first, ...others]: List<Entry<Name>>): List<Name> {
  return [first.name, ...others.map(({ name }) => name)];
}

type Nothing = Readonly<Record<never, never>>;
type Named<Key extends string, Name> = { readonly [K in Key]: Name };
type Described = Entry & { readonly fields: Shape };
type SettingsIn<Key extends string, Each extends Described> = Each extends Described
  ? Named<Key, Each['name']> & Settings<Each['fields']>
  : never;
type SchemaIn<Key extends string, Each extends Described, Before, After> = Each extends Described
  ? After extends Shape
    ? z.ZodObject<Before & Named<Key, z.ZodLiteral<Each['name']>> & Each['fields'] & After, z.core.$strict>
    : never
  : never;

/** The settings of any entry of a catalog, as a config holds them: `{ type: 'ddpo-is', clipRange: 1e-4, ... }`. */
export type SettingsOf<One extends { readonly key: string; readonly entries: readonly Described[] }> =
  SettingsIn<One['key'], One['entries'][number]>;

/** Entries that are told apart by one field of a config, `key`. */
export class Catalog<
  const Key extends string,
  const All extends List<Described>,
  Made,
  Context extends unknown[],
> {
  readonly entries: All;
  readonly #creators: readonly ConfiguredEntry<string, Shape, Made, Context>[];

  constructor(
    readonly key: Key,
    entries: All & readonly ConfiguredEntry<string, Shape, Made, Context>[],
  ) {
    this.entries = entries;
    this.#creators = entries;
  }

  /** Creates what the settings describe. */
  create(settings: SettingsIn<Key, All[number]> & Named<Key, string>, ...context: Context): Made {
    return entryNamed(this.#creators, settings[this.key]).create(settings, ...context);
  }

  /** A mapping for each entry: the fields before its name, its own, and those after; a missing name means `byDefault`. */
  schema<Before extends Shape = Nothing, After extends Shape = Nothing>(options?: {
    readonly before?: Before;
    readonly after?: (entry: All[number]) => After;
    readonly byDefault?: All[number]['name'];
  }): z.ZodDiscriminatedUnion<List<SchemaIn<Key, All[number], Before, After>>, Key>;
  schema({
    before = {},
    after = () => ({}),
    byDefault,
  }: {
    readonly before?: Shape;
    readonly after?: (entry: Described) => Shape;
    readonly byDefault?: string;
  } = {}): z.ZodType {
    const schemaOf = (entry: Described) => {
      const word = z.literal(entry.name);
      // Optional inside the default, so that a mapping without the name is told apart as one of this entry.
      const name = entry.name === byDefault ? word.optional().default(entry.name) : word;
      return section({
        ...before,
        [this.key]: name.describe(entry.summary),
        ...entry.fields,
        ...after(entry),
      });
    };
    const [first, ...others] = this.entries;
    return z.discriminatedUnion(this.key, [schemaOf(first), ...others.map(schemaOf)], { error: 'a mapping' });
  }
}
