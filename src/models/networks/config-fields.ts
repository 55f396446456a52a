/** @file Fields of the config.json files that diffusers and transformers write, with messages that read "expected ...". */

import * as z from 'zod';

/** Largest width, number of channels or vocabulary: beyond any model, and a product of two is still exact. */
const MOST = 1_000_000;
/** Largest number of layers, heads or other parts of a graph. */
export const MOST_PARTS = 1000;

/** An object with these fields; others are dropped. */
export const objectOf = <Fields extends z.ZodRawShape>(fields: Fields) =>
  z.object(fields, { error: 'expected an object' });

export const integer = (least: number, most: number) => {
  const error = `expected an integer in ${least}..${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};

/** An integer of at least 1. */
export const count = (most = MOST) => integer(1, most);

/** A number of layers, heads or the like. */
export const parts = () => count(MOST_PARTS);

/** One entry for each resolution of a network: each is half as fine as the one before. */
export const perResolution = <Entry extends z.ZodType>(entry: Entry, error: string) =>
  z.array(entry, { error }).min(1, { error }).max(16, { error: 'expected at most 16 entries' });

/** An integer that may be 0. */
export const whole = () => integer(0, MOST);

export const within = (least: number, most: number) => {
  const error = `expected a number in [${least}, ${most}]`;
  return z.number({ error }).min(least, { error }).max(most, { error });
};

/** A number above 0, and far below the limit of single precision. */
export const decimal = () => {
  const error = 'expected a number above 0, at most 1000000';
  return z.number({ error }).gt(0, { error }).max(1e6, { error });
};

/** What latents are divided by: outside of the range pictures would be all saturated or all gray. */
export const scalingFactor = () => within(1e-4, 1e4);

/** What is added to latents before they are decoded; 0 where the file does not say. */
export const shiftFactor = () =>
  within(-1e4, 1e4)
    .nullable()
    .default(null)
    .transform((shift) => shift ?? 0);

export const flag = () => z.boolean({ error: 'expected true or false' });

/** One of the given words. */
export const named = <const Words extends readonly string[]>(words: Words) =>
  z.enum(words, {
    error: `expected ${words.length > 2 ? `one of ${words.join(', ')}` : words.join(' or ')}`,
  });

/** A field that accepts its default alone; null stands for the default too. */
export const only = <const Value extends string | number | boolean>(value: Value, why: string) =>
  z.union([z.literal(value), z.null()], { error: `expected ${value} (${why})` }).default(value);

/** Fields that must be null, false or absent. */
export function absent<const Names extends readonly string[]>(names: Names) {
  const nothing = z
    .union([z.null(), z.literal(false)], { error: 'expected null (other variants are not built)' })
    .default(null);
  return Object.fromEntries(names.map((name) => [name, nothing])) as {
    readonly [Name in Names[number]]: typeof nothing;
  };
}
