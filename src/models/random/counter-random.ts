/**
 * @file Random numbers as a function of their use. A stream is named by its key, so a group gives the same rollout on any
 * worker, however often and in whatever order it runs.
 */
import { TributaryError } from '../../errors.js';
import { philox4x32 } from './philox.js';

/**
 * What random numbers are drawn for: a closed list. Each purpose has streams of its own. Reproducibility depends on these
 * numbers, so an entry is never renumbered or reused for something else.
 */
export const RANDOM_PURPOSES = {
  'initial-latents': 1,
  'step-noise': 2,
  'prompt-choice': 3,
  shuffle: 4,
  'parameter-init': 5,
  'interval-choice': 6,
  evaluation: 7,
  bootstrap: 8,
  'pretraining-data': 9,
  'pretraining-noise': 10,
  'pretraining-timesteps': 11,
  'pretraining-dropout': 12,
  'forward-noise': 13,
  'forward-timesteps': 14,
  'value-init': 15,
  'value-batch': 16,
  'prompt-source': 17,
  'pair-order': 18,
  comparison: 19,
  'picture-size': 20,
} as const;

export type RandomPurpose = keyof typeof RANDOM_PURPOSES;

/** The name of a stream of random numbers. Streams with different keys never share a counter. */
export interface RandomKey {
  /** The run's seed: an integer in 0..2^53-1. */
  readonly seed: number;
  readonly purpose: RandomPurpose;
  /** Group index, or the iteration if there are no groups: 0..2^32-1, default 0. */
  readonly group?: number;
  /** Branch within the group: 0..65535, default 0. */
  readonly branch?: number;
  /** Sampler step: 0..65535, default 0. */
  readonly step?: number;
}

/** Reads one stream from front to back. Every method advances past the numbers it used. */
export interface CounterRandom {
  /** A word: an integer in 0..2^32-1, all equally likely. */
  word(): number;
  /** A float64 in [0, 1) with 53 random bits (two words). */
  uniform(): number;
  /** `count` float32 values in [0, 1), 24 random bits each, starting at a fresh block of four words. */
  uniforms(count: number): Float32Array;
  /**
   * `count` draws from N(0, 1), starting at a fresh block of four words. Box-Muller: words (0, 1) of a block give
   * elements (4b, 4b+1) as the cosine and sine of one radius, words (2, 3) give (4b+2, 4b+3); the rest of the last
   * block is dropped. So normal(n) is a prefix of normal(m), n < m, on the same fresh stream. |x| < 6.77.
   */
  normal(count: number): Float32Array;
  /** An integer in 0..bound-1, all equally likely (by rejection); `bound` in 1..2^32. */
  integer(bound: number): number;
  /** A new array with the items in random order (Fisher-Yates). */
  shuffle<Item>(items: readonly Item[]): Item[];
}

const WORD_RANGE = 2 ** 32;
const UNIT = 1 / WORD_RANGE;

/**
 * Returns the stream of random numbers of a key, from its start. Streams share no state: two with the same key yield the same
 * numbers.
 *
 * Equation: block b of a stream is Philox4x32-10 of the counter (b, group, branch·2^16 + step, purpose) under the
 * 64-bit run seed. A stream repeats after 2^32 blocks. Logarithm, sine and cosine are the JavaScript engine's, so the bytes
 * of `normal` are the same wherever the same version of Node runs.
 *
 * Errors: TRIB_INTERNAL if a part of the key, or a bound, is outside its range.
 *
 * Example: `counterRandom({ seed: 7, purpose: 'initial-latents', group: 17 }).normal(4 * 64 * 64)`
 */
export function counterRandom({ seed, purpose, group = 0, branch = 0, step = 0 }: RandomKey): CounterRandom {
  requireInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  requireInteger('group', group, 0, WORD_RANGE - 1);
  requireInteger('branch', branch, 0, 0xffff);
  requireInteger('step', step, 0, 0xffff);
  const key = Uint32Array.of(seed % WORD_RANGE, Math.floor(seed / WORD_RANGE));
  const counter = Uint32Array.of(0, group, branch * 65536 + step, RANDOM_PURPOSES[purpose]);
  const words = new Uint32Array(4);
  let used = 4;

  const nextBlock = (): void => {
    philox4x32(counter, key, words);
    counter[0]!++;
  };
  const word = (): number => {
    if (used === 4) {
      nextBlock();
      used = 0;
    }
    return words[used++]!;
  };
  const uniform = (): number => {
    const high = word() >>> 5;
    const low = word() >>> 6;
    return (high * 2 ** 26 + low) * 2 ** -53;
  };
  const uniforms = (count: number): Float32Array => {
    const values = new Float32Array(count);
    for (let start = 0; start < count; start += 4) {
      nextBlock();
      for (let i = 0; i < 4 && start + i < count; i++) values[start + i] = (words[i]! >>> 8) * 2 ** -24;
    }
    used = 4;
    return values;
  };
  const normal = (count: number): Float32Array => {
    const values = new Float32Array(count);
    for (let start = 0; start < count; start += 4) {
      nextBlock();
      for (let i = 0; i < 4; i += 2) {
        // The half keeps the logarithm finite: the uniform lies in (0, 1).
        const radius = Math.sqrt(-2 * Math.log((words[i]! + 0.5) * UNIT));
        const angle = 2 * Math.PI * UNIT * words[i + 1]!;
        // Writes past the end of a typed array are ignored, which drops the rest of the last block.
        values[start + i] = radius * Math.cos(angle);
        values[start + i + 1] = radius * Math.sin(angle);
      }
    }
    used = 4;
    return values;
  };
  const integer = (bound: number): number => {
    requireInteger('bound', bound, 1, WORD_RANGE);
    const limit = WORD_RANGE - (WORD_RANGE % bound);
    let value = word();
    while (value >= limit) value = word();
    return value % bound;
  };
  const shuffle = <Item>(items: readonly Item[]): Item[] => {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = integer(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  };
  return { word, uniform, uniforms, normal, integer, shuffle };
}

function requireInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new TributaryError(
    'TRIB_INTERNAL',
    `counterRandom ${name}: expected an integer in ${least}..${most}, got ${value}. Number the parts of a key from 0.`,
  );
}
