/**
 * @file The kinds of field that a config consists of. Whatever is configured describes its own fields, so that a new surrogate
 * or advantage rule needs no second file. The message of a schema issue is always the phrase that belongs after "expected".
 */
import * as z from 'zod';

/** A whole number from `atLeast` to `atMost`, both included. */
export function integer(atLeast: number, atMost?: number) {
  const phrase =
    atMost === undefined ? `an integer >= ${atLeast}` : `an integer from ${atLeast} to ${atMost}`;
  const schema = z.int({ error: phrase }).min(atLeast, { error: phrase });
  return atMost === undefined ? schema : schema.max(atMost, { error: phrase });
}

/** Bounds of a number: `[` and `]` include the bound, `(` and `)` exclude it; `Infinity` means unbounded. */
interface Interval {
  readonly from: `${'[' | '('}${number | '-Infinity'}`;
  readonly to: `${number | 'Infinity'}${']' | ')'}`;
}

/** A finite number within an interval in mathematical notation: `number({ from: '(0', to: '1]' })`. */
export function number({ from, to }: Interval) {
  const error = `a number in ${from}, ${to}`;
  const [lower, upper] = [Number(from.slice(1)), Number(to.slice(0, -1))];
  const schema = z.number({ error });
  const isUnbounded = lower === Number.NEGATIVE_INFINITY;
  const least = isUnbounded ? schema : schema.gt(lower, { error });
  const bounded = from.startsWith('[') ? schema.min(lower, { error }) : least;
  if (upper === Number.POSITIVE_INFINITY) return bounded;
  return to.endsWith(']') ? bounded.max(upper, { error }) : bounded.lt(upper, { error });
}

/**
 * The weight of a reward in a weighted sum; a negative one makes it a penalty. Larger ones are mistakes: training is in
 * float32, with seven digits, so beside a part that weighs 1e9 times as much all others are lost in rounding.
 */
export function rewardWeight() {
  return number({ from: '[-1e9', to: '1e9]' });
}

/** Nonempty text; `what` says what it names, such as "the path of a file". */
export function text(what: string) {
  return z.string({ error: what }).min(1, { error: what });
}

/** What a path must lead to: `made` is what the program makes where it is not there. */
type Leads = 'file' | 'folder' | 'either' | 'made';

/** The fields that name files: where they lead. */
export const PATHS = z.registry<{ readonly leadsTo: Leads }>();

/**
 * The path of a file or folder; `what` says of what. In a config, it is relative to the file that names it, or the name of
 * something in the package, `tributary:shapes`.
 */
export function filePath(what: string, leadsTo: Leads) {
  return text(what).register(PATHS, { leadsTo });
}

/** Text of a certain shape. */
export function matching(what: string, shape: RegExp) {
  return z.string({ error: what }).regex(shape, { error: what });
}

/** Text that compiles as a regular expression. */
export function pattern(what: string) {
  const compiles = (source: string) => {
    try {
      return new RegExp(source) instanceof RegExp;
    } catch {
      return false;
    }
  };
  return text(what).refine(compiles, { error: what });
}

/** One of a closed list of words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: `one of ${words.join(', ')}` });
}

/** A mapping with these keys and no others. The message about an unknown key lists the known ones. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const knownKeys = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? knownKeys : 'a mapping'),
  });
}
