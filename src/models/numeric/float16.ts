/** @file IEEE 754 half precision (binary16) as bit patterns: what tensors of dtype float16 hold in JavaScript. */

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** Returns the bits of the nearest float16, ties to even. Beyond 65504 + 16 it is infinite; NaN stays a (quiet) NaN. */
export function float16Bits(value: number): number {
  // From float64 by way of float32 with "round to odd": a sticky last bit, so that rounding twice is rounding once.
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
  // A subnormal half is a whole number of 2^-24.
  if (magnitude < 0x38800000) {
    const shift = 126 - (magnitude >>> 23);
    if (shift > 24) return sign;
    return sign | roundedShift((magnitude & 0x7fffff) | 0x800000, shift);
  }
  // Carrying out of the fraction raises the exponent, which is what rounding up to a power of two means.
  return sign | (roundedShift(magnitude, 13) - (112 << 10));
}

/** The value of a float16 bit pattern, exact. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** As `encodeFloat16`, into `bits` and from float32: weights by the hundred million. */
export function writeFloat16(values: Float32Array, bits: Uint16Array): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = words[i]!;
    const magnitude = word & 0x7fffffff;
    const isNormal = magnitude >= 0x38800000 && magnitude < 0x477ff000;
    // Half of the last place, less one where the last kept bit is even: ties go there.
    bits[i] = isNormal
      ? ((word >>> 16) & 0x8000) | (((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13) - (112 << 10))
      : float16Bits(values[i]!);
  }
}

/** Rounds every value to float16 (ties to even) and returns the bits, element by element. */
export function encodeFloat16(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = float16Bits(values[i]!);
  return bits;
}

/** Returns the bits of values that are float16 numbers, every one; null where one is not. NaN counts as one. */
export function encodeExactFloat16(values: Float32Array): Uint16Array | null {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = words[i]!;
    const magnitude = word & 0x7fffffff;
    // A normal half is a float32 in its range whose last 13 bits of fraction are zero: most of them by far.
    if ((word & 0x1fff) === 0 && magnitude >= 0x38800000 && magnitude < 0x47800000) {
      bits[i] = ((word >>> 16) & 0x8000) | ((magnitude >>> 13) - (112 << 10));
      continue;
    }
    bits[i] = float16Bits(values[i]!);
    if (!Object.is(float16Value(bits[i]!), values[i]!)) return null;
  }
  return bits;
}

/** The value of every bit pattern, made when first needed. */
let valueOfBits: Float32Array | null = null;

/** Returns the values of float16 bit patterns, element by element; exact. */
export function decodeFloat16(bits: ArrayLike<number>): Float32Array {
  valueOfBits ??= Float32Array.from({ length: 2 ** 16 }, (_, pattern) => float16Value(pattern));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < values.length; i++) values[i] = valueOfBits[bits[i]!]!;
  return values;
}

/** The float16 value nearest to a number, ties to even: what is read back after storing it as float16. */
export function roundToFloat16(value: number): number {
  return float16Value(float16Bits(value));
}

function roundedShift(bits: number, shift: number): number {
  const kept = bits >>> shift;
  const rest = bits & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
