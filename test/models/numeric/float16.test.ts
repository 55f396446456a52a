import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeFloat16,
  encodeExactFloat16,
  encodeFloat16,
  float16Bits,
  float16Value,
  roundToFloat16,
  writeFloat16,
} from '../../../src/models/numeric/float16.js';

const ALL_BITS = Array.from({ length: 65536 }, (_, bits) => bits);
const FINITE = ALL_BITS.filter((bits) => (bits & 0x7c00) !== 0x7c00);

describe('float16', () => {
  test.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.999999, 0x7bff],
    [65520, 0x7c00],
    [Number.NEGATIVE_INFINITY, 0xfc00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.0001, 0x0001],
    [1 / 3, 0x3555],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    // Halfway in float16 only after rounding to float32: rounding twice would give 0x3c00.
    [1 + 2 ** -11 + 2 ** -40, 0x3c01],
  ])('should encode %d', (value, bits) => {
    expect(float16Bits(value)).toBe(bits);
  });

  test('should give back every bit pattern that is a number', () => {
    const numbers = ALL_BITS.filter((bits) => !Number.isNaN(float16Value(bits)));
    expect(numbers.length).toBe(65536 - 2 * 1023);
    expect(encodeFloat16(decodeFloat16(numbers))).toEqual(Uint16Array.from(numbers));
    expect(Number.isNaN(roundToFloat16(Number.NaN))).toBe(true);
  });

  test('should write what it encodes, whatever the float32', () => {
    const written = (values: Float32Array) => {
      const bits = new Uint16Array(values.length);
      writeFloat16(values, bits);
      return bits;
    };
    const near = Float32Array.from(
      FINITE.flatMap((bits) => [1, 1 + 2 ** -11, 0.9996].map((factor) => factor * float16Value(bits))),
    );
    expect(written(near)).toEqual(encodeFloat16(near));
    fc.assert(
      fc.property(fc.float32Array(), (values) => {
        expect(written(values)).toEqual(encodeFloat16(values));
      }),
    );
  });

  test('should know what is a float16 number, bit by bit, and what is not', () => {
    const numbers = ALL_BITS.filter((bits) => !Number.isNaN(float16Value(bits)));
    const values = Float32Array.from(numbers, float16Value);
    expect(encodeExactFloat16(values)).toEqual(Uint16Array.from(numbers));
    fc.assert(
      fc.property(fc.float(), (value) => {
        const isHalf = Object.is(roundToFloat16(value), value);
        expect(encodeExactFloat16(Float32Array.of(1, value)) !== null).toBe(isHalf);
      }),
      { numRuns: 2000 },
    );
  });

  test('should choose the nearest value, and the even one of two', () => {
    const ladder = FINITE.filter((bits) => bits < 0x8000).map(float16Value);
    fc.assert(
      fc.property(fc.nat(ladder.length - 2), fc.double({ min: 0, max: 1, noNaN: true }), (index, along) => {
        const low = ladder[index] ?? 0;
        const high = ladder[index + 1] ?? 0;
        const value = low + (high - low) * along;
        const toLow = value - low;
        const toHigh = high - value;
        const expected = toLow < toHigh || (toLow === toHigh && index % 2 === 0) ? low : high;
        expect(roundToFloat16(value)).toBe(expected);
        expect(roundToFloat16(-value)).toBe(-expected);
      }),
    );
  });
});
