/** @file Tensors of an adapter as numbers: the two or three factors of a layer. */
import { floatValues, type SafetensorsTensor } from '../files/safetensors.js';
import { type LoraLayer, loraFault } from './lora-layer.js';
import type { Part } from './tensor-names.js';

/** Tensors of one layer. */
export type Parts = Readonly<Partial<Record<Part, SafetensorsTensor>>>;

export const SAVE_AGAIN = 'Save the adapter again as LoRA, with diffusers, PEFT, kohya or Tributary.';

/**
 * Checks that A and B fit. B is a matrix, or 1 x 1 kernels of the same numbers, regardless of A. With a middle kernel
 * [rank, rank, h, w] (LoCon's Tucker form), A is 1 x 1, and both together are one kernel of that size.
 */
export function pair(
  a: SafetensorsTensor | undefined,
  b: SafetensorsTensor | undefined,
  mid: SafetensorsTensor | undefined,
  where: string,
): Pick<LoraLayer, 'loraA' | 'loraB' | 'rank'> & Pick<LoraLayer, 'kernel'> {
  if (!a || !b || !areFactors(a.shape, b.shape)) {
    const got = `[${a?.shape.join(', ') ?? 'missing'}] and [${b?.shape.join(', ') ?? 'missing'}]`;
    const expected = 'A [rank, in] and B [out, rank], or kernels [rank, in, h, w] and [out, rank, 1, 1]';
    throw loraFault(where, expected, got, SAVE_AGAIN);
  }
  const [rank, , height, width] = a.shape as [number, number, number?, number?];
  const kernel = height === undefined || width === undefined ? {} : { kernel: [height, width] as const };
  const layer = { loraA: floats(a, where), loraB: floats(b, where), rank, ...kernel };
  return mid ? { ...layer, ...withMiddle(layer.loraA, a.shape, mid, where) } : layer;
}

/** A and the middle kernel as one: A'[r, i, h, w] = sum over q of M[r, q, h, w] A[q, i]. */
export function withMiddle(
  down: Float32Array,
  downShape: readonly number[],
  mid: SafetensorsTensor,
  where: string,
): Required<Pick<LoraLayer, 'loraA' | 'kernel'>> {
  const [rank = 0, inputs = 0, ...ones] = downShape;
  const [outer, inner, height, width] = mid.shape;
  const fits = mid.shape.length === 4 && outer === rank && inner === rank && ones.every((size) => size === 1);
  if (!fits || height === undefined || width === undefined) {
    const got = `[${downShape.join(', ')}] and [${mid.shape.join(', ')}]`;
    throw loraFault(where, 'A [rank, in, 1, 1] and a middle kernel [rank, rank, h, w]', got, SAVE_AGAIN);
  }
  const [middle, size] = [floats(mid, where), height * width];
  const loraA = new Float32Array(rank * inputs * size);
  for (let r = 0; r < rank; r++) {
    for (let i = 0; i < inputs; i++) {
      for (let place = 0; place < size; place++) {
        let sum = 0;
        for (let q = 0; q < rank; q++) sum += middle[(r * rank + q) * size + place]! * down[q * inputs + i]!;
        loraA[(r * inputs + i) * size + place] = sum;
      }
    }
  }
  return { loraA, kernel: [height, width] };
}

function areFactors(a: readonly number[], b: readonly number[]): boolean {
  const [, inner, ...ones] = b;
  return (
    [a, b].every(({ length }) => length === 2 || length === 4) &&
    inner === a[0] &&
    ones.every((size) => size === 1) &&
    [...a, ...b].every((size) => size > 0)
  );
}

/** Numbers that may also be stored as integers. */
export function numbers(tensor: SafetensorsTensor, where: string): readonly number[] {
  return tensor.dtype === 'I64' ? Array.from(tensor.data, Number) : [...floats(tensor, where)];
}

export function floats(tensor: SafetensorsTensor, where: string): Float32Array {
  const values = floatValues(tensor);
  if (values) return values;
  throw loraFault(where, 'F64, F32, F16, BF16, F8_E4M3 or F8_E5M2', tensor.dtype, SAVE_AGAIN);
}
