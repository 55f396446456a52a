/** @file The aesthetic predictor on top of CLIP's image features. */

import { readFile } from 'node:fs/promises';
import { TributaryError } from '../../../errors.js';
import { decodeSafetensors, type SafetensorsTensor } from '../../files/safetensors.js';

/** An affine map of image features of length 1 to a score, in float64. */
interface AestheticHead {
  /** Width of the features. */
  readonly width: number;
  score(features: Float32Array): number;
}

type Layer = Record<'weight' | 'bias', Extract<SafetensorsTensor, { dtype: 'F32' }>>;

/**
 * Reads a head of linear layers, `layers.N.weight` [out, in] and `layers.N.bias` [out], in the order of N:
 *
 *     score(f) = W_k (... W_2 (W_1 f + b_1) + b_2 ...) + b_k
 *
 * LAION's head (sac+logos+ava1-l14-linearMSE) has no function between its layers, and dropout is off, so together they
 * are one affine map f -> w · f + b, which is multiplied out here once.
 *
 * Errors: TRIB_FILE if the file cannot be read; TRIB_MODEL if it does not hold such layers.
 */
export async function readAestheticHead(path: string): Promise<AestheticHead> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected the aesthetic head, got ${cause.code ?? 'an error'}. Correct \`head\`, or omit it.`,
      { cause },
    );
  });
  const layers = layersOf(decodeSafetensors(bytes, path).tensors, path);
  let w = Float64Array.of(1);
  let b = 0;
  for (const { weight, bias } of layers.toReversed()) {
    const [outs = 0, ins = 0] = weight.shape;
    if (outs !== w.length || bias.data.length !== outs) {
      const expected = 'layers that fit on each other, the last with 1 output';
      throw headFault(path, expected, `one of [${outs}, ${ins}]`);
    }
    const below = new Float64Array(ins);
    for (let row = 0; row < outs; row++) {
      b += w[row]! * bias.data[row]!;
      for (let column = 0; column < ins; column++)
        below[column]! += w[row]! * weight.data[row * ins + column]!;
    }
    w = below;
  }
  return {
    width: w.length,
    score: (features) => features.reduce((sum, value, index) => sum + value * w[index]!, b),
  };
}

function layersOf(tensors: ReadonlyMap<string, SafetensorsTensor>, path: string): Layer[] {
  const numbers = [...tensors.keys()]
    .flatMap((name) => /^layers\.(\d+)\.weight$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  if (numbers.length === 0)
    throw headFault(path, 'tensors layers.0.weight and so on', [...tensors.keys()].join(', ') || 'none');
  const float = (name: string) => {
    const tensor = tensors.get(name);
    if (tensor?.dtype === 'F32') return tensor;
    throw headFault(path, `${name} in F32`, tensor?.dtype ?? 'none');
  };
  return numbers.map((n) => ({ weight: float(`layers.${n}.weight`), bias: float(`layers.${n}.bias`) }));
}

function headFault(path: string, expected: string, got: string): TributaryError {
  return new TributaryError(
    'TRIB_MODEL',
    `${path}: expected ${expected}, got ${got}. Use a head with only linear layers.`,
  );
}
