/** @file Fields of the config.json files that diffusers and transformers write, with messages that read "expected ...". */

import { z } from 'zod';

/** An integer of at least 1. */
export const count = () => {
  const error = 'expected an integer of at least 1';
  return z.int({ error }).min(1, { error });
};

/** An integer of at least 0. */
export const whole = () => {
  const error = 'expected an integer of at least 0';
  return z.int({ error }).min(0, { error });
};

/** A number above 0. */
export const decimal = () => {
  const error = 'expected a number above 0';
  return z.number({ error }).gt(0, { error });
};

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
