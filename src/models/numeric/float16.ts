/** @file IEEE 754 half precision (binary16) as bit patterns, which float16 tensors hold in JavaScript; bfloat16 too. */

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** Returns the bits of the nearest float16, ties to even. From 65520 on it is infinite; NaN stays a (quiet) NaN. */
export function float16Bits(value: number): number {
  // From float64 via float32 with "round to odd": the sticky last bit makes rounding twice the same as rounding once.
  FLOAT[0] = value;
  let bits = BITS[0]!;
  const rounded = FLOAT[0]!;
  if (rounded !== value && (bits & 1) === 0 && Number.isFinite(rounded)) {
    bits += Math.abs(rounded) < Math.abs(value) ? 1 : -1;
  }
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // A subnormal half is a multiple of 2^-24.
  if (magnitude < 0x38800000) {
    const shift = 126 - (magnitude >>> 23);
    if (shift > 24) return sign;
    return sign | roundedShift((magnitude & 0x7fffff) | 0x800000, shift);
  }
  // A carry out of the fraction raises the exponent, which is just what rounding up to a power of two requires.
  return sign | (roundedShift(magnitude, 13) - (112 << 10));
}

/** The exact value of a float16 bit pattern. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Like `encodeFloat16`, but faster, from float32 and into `bits`: for hundreds of millions of weights. */
export function writeFloat16(values: Float32Array, bits: Uint16Array): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = words[i]!;
    const magnitude = word & 0x7fffffff;
    const isNormal = magnitude >= 0x38800000 && magnitude < 0x477ff000;
    // Adds half of the last place, less one if the last kept bit is even: ties go to even.
    bits[i] = isNormal
      ? ((word >>> 16) & 0x8000) | (((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13) - (112 << 10))
      : float16Bits(values[i]!);
  }
}

/** Rounds every value to float16 (ties to even) and returns the bits. */
export function encodeFloat16(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = float16Bits(values[i]!);
  return bits;
}

/** Returns the bits of values that are all float16 numbers or NaN; null if one is not. */
export function encodeExactFloat16(values: Float32Array): Uint16Array | null {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = words[i]!;
    const magnitude = word & 0x7fffffff;
    // The common case, a normal half: a float32 in range whose last 13 bits of fraction are zero.
    if ((word & 0x1fff) === 0 && magnitude >= 0x38800000 && magnitude < 0x47800000) {
      bits[i] = ((word >>> 16) & 0x8000) | ((magnitude >>> 13) - (112 << 10));
      continue;
    }
    bits[i] = float16Bits(values[i]!);
    if (!Object.is(float16Value(bits[i]!), values[i]!)) return null;
  }
  return bits;
}

/** The value of every bit pattern, computed on first use. */
let valueOfBits: Float32Array | null = null;

/** Returns the exact values of float16 bit patterns. */
export function decodeFloat16(bits: ArrayLike<number>): Float32Array {
  valueOfBits ??= Float32Array.from({ length: 2 ** 16 }, (_, pattern) => float16Value(pattern));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < values.length; i++) values[i] = valueOfBits[bits[i]!]!;
  return values;
}

/** Returns the exact values of bfloat16 bit patterns, each the upper half of a float32. */
export function decodeBfloat16(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (upper) => upper << 16).buffer);
}

/** Rounds a number to the nearest float16 value, ties to even. */
export function roundToFloat16(value: number): number {
  return float16Value(float16Bits(value));
}

function roundedShift(bits: number, shift: number): number {
  const kept = bits >>> shift;
  const rest = bits & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
