/** @file Fields of the config.json files that diffusers and transformers write, with messages that read "expected ...". */

import { z } from 'zod';

/** Widths, channels and vocabularies: beyond what any model has, and small enough that a product of two is exact. */
const MOST = 1_000_000;
/** Layers, heads, and other things that a graph has one part for each of. */
const MOST_PARTS = 1000;

/** An integer of at least 1. */
export const count = (most = MOST) => {
  const error = `expected an integer in 1..${most}`;
  return z.int({ error }).min(1, { error }).max(most, { error });
};

/** A number of layers or the like. */
export const parts = () => count(MOST_PARTS);

/** One entry for each resolution of a network: each is half as fine as the one before. */
export const perResolution = <Entry extends z.ZodType>(entry: Entry, error: string) =>
  z.array(entry, { error }).min(1, { error }).max(16, { error: 'expected at most 16 entries' });

/** An integer that may be 0. */
export const whole = () => {
  const error = `expected an integer in 0..${MOST}`;
  return z.int({ error }).min(0, { error }).max(MOST, { error });
};

/** A number above 0, and far below what single precision holds. */
export const decimal = (least = 0, most = 1e6) => {
  const error =
    least === 0 ? `expected a number above 0, at most ${most}` : `expected a number in [${least}, ${most}]`;
  return z.number({ error }).gt(0, { error }).min(least, { error }).max(most, { error });
};

/** By which latents are divided: below and above, pictures would be all saturated or all gray. */
export const scalingFactor = () => decimal(1e-4, 1e4);

export const flag = () => z.boolean({ error: 'expected true or false' });

/** One of the words that have a meaning here. */
export const named = <const Words extends readonly string[]>(words: Words) =>
  z.enum(words, { error: `expected ${words.join(' or ')}` });

/** A field whose one accepted value is its default; null stands for the default too. */
export const only = <const Value extends string | number | boolean>(value: Value, why: string) =>
  z.union([z.literal(value), z.null()], { error: `expected ${value} (${why})` }).default(value);

/** Fields that must be null, false or not there. */
export function absent<const Names extends readonly string[]>(names: Names) {
  const nothing = z
    .union([z.null(), z.literal(false)], { error: 'expected null (other variants are not built)' })
    .default(null);
  return Object.fromEntries(names.map((name) => [name, nothing])) as {
    readonly [Name in Names[number]]: typeof nothing;
  };
}
