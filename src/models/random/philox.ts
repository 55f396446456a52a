/**
 * @file The only source of randomness: a stateless bijection on 128-bit counters. counter-random.ts makes streams of numbers
 * from it.
 */

const MULTIPLIER_A = 0xd2511f53;
const MULTIPLIER_B = 0xcd9e8d57;
const WEYL_A = 0x9e3779b9;
const WEYL_B = 0xbb67ae85;
const ROUNDS = 10;

/** 2^-16 shifts right by 16 bits in float64, where all products below are exact (they stay under 2^49). */
const SHIFT_16 = 1 / 65536;
const A_HIGH = MULTIPLIER_A >>> 16;
const A_LOW = MULTIPLIER_A & 0xffff;
const B_HIGH = MULTIPLIER_B >>> 16;
const B_LOW = MULTIPLIER_B & 0xffff;

/**
 * Writes the four pseudo-random words of one counter value: Philox4x32-10.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3.3; checked
 * against the known-answer vectors of Random123.
 *
 * Shapes: `counter` [4] and `key` [2] are unsigned 32-bit words, least significant first; `words` [4] is overwritten.
 */
export function philox4x32(counter: Uint32Array, key: Uint32Array, words: Uint32Array): void {
  let c0 = counter[0]!;
  let c1 = counter[1]!;
  let c2 = counter[2]!;
  let c3 = counter[3]!;
  let k0 = key[0]!;
  let k1 = key[1]!;
  for (let round = 0; round < ROUNDS; round++) {
    const highA = Math.floor((c0 * A_HIGH + Math.floor(c0 * A_LOW * SHIFT_16)) * SHIFT_16);
    const highB = Math.floor((c2 * B_HIGH + Math.floor(c2 * B_LOW * SHIFT_16)) * SHIFT_16);
    const lowA = Math.imul(c0, MULTIPLIER_A) >>> 0;
    const lowB = Math.imul(c2, MULTIPLIER_B) >>> 0;
    c0 = (highB ^ c1 ^ k0) >>> 0;
    c1 = lowB;
    c2 = (highA ^ c3 ^ k1) >>> 0;
    c3 = lowA;
    k0 = (k0 + WEYL_A) >>> 0;
    k1 = (k1 + WEYL_B) >>> 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}
