/** @file The floats of eight bits that safetensors holds, as bit patterns (Micikevicius et al. 2022, "FP8 formats for deep learning"). */
import { float16Value } from './float16.js';

/** F8_E4M3 is float8_e4m3fn of PyTorch: up to 448, without infinities. F8_E5M2 is the upper half of a float16. */
export type Float8Type = 'F8_E4M3' | 'F8_E5M2';

/** The value of every bit pattern, computed on first use. */
const tables = new Map<Float8Type, Float32Array>();

function tableOf(type: Float8Type): Float32Array {
  const known = tables.get(type);
  if (known) return known;
  const value = type === 'F8_E4M3' ? e4m3Value : (pattern: number) => float16Value(pattern << 8);
  const table = Float32Array.from({ length: 2 ** 8 }, (_, pattern) => value(pattern));
  tables.set(type, table);
  return table;
}

/** Returns the exact values of bit patterns. */
export function decodeFloat8(type: Float8Type, bits: Uint8Array): Float32Array {
  const table = tableOf(type);
  const values = new Float32Array(bits.length);
  for (let i = 0; i < values.length; i++) values[i] = table[bits[i]!]!;
  return values;
}

function e4m3Value(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >>> 3) & 0xf;
  const fraction = bits & 7;
  if (exponent === 15 && fraction === 7) return Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}
