/** @file The parameters of a policy: fresh, and as the file that diffusers loads. */

import type { LoraLayer } from '../adapters/lora-file.js';
import { decodeLoraFile, encodeLoraFile } from '../adapters/lora-file.js';
import type { LoraSettings } from '../diffusion/denoiser.js';
import type { Adapter } from '../graph/lora.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import { counterRandom } from '../random/counter-random.js';

/** A normal with standard deviation 1 / rank, B zero: the untouched model (diffusers' `init_lora_weights="gaussian"`). */
export function initialParameters(
  adapters: readonly Adapter[],
  { rank }: LoraSettings,
  seed: number,
): NamedArrays {
  return Object.fromEntries(
    adapters.flatMap(({ inputA, inputB, inFeatures, outFeatures }, index) => {
      const normal = counterRandom({ seed, purpose: 'parameter-init', group: index }).normal(
        inFeatures * rank,
      );
      return [
        [inputA, normal.map((value) => value / rank)],
        [inputB, new Float32Array(rank * outFeatures)],
      ];
    }),
  );
}

/** Bytes of `pytorch_lora_weights.safetensors`. */
export function encodeParameters(
  adapters: readonly Adapter[],
  parameters: NamedArrays,
  { rank, alpha }: LoraSettings,
): Uint8Array {
  const layers = adapters.map(
    ({ layer, inputA, inputB, inFeatures, outFeatures }): LoraLayer => ({
      key: `unet.${layer}`,
      loraA: transposed(parameters[inputA] ?? new Float32Array(), inFeatures, rank),
      loraB: transposed(parameters[inputB] ?? new Float32Array(), rank, outFeatures),
      rank,
      alpha,
    }),
  );
  return encodeLoraFile(layers);
}

/** Parameters from an adapter file, by the graph's input names. */
export function decodeParameters(
  bytes: Uint8Array,
  where: string,
): { parameters: NamedArrays; rank: number; alpha: number } {
  const layers = decodeLoraFile(bytes, where);
  const parameters = Object.fromEntries(
    layers.flatMap(({ key, loraA, loraB, rank }) => {
      const layer = key.replace(/^unet\./, '');
      return [
        [`${layer}.lora_A`, transposed(loraA, rank, loraA.length / rank)],
        [`${layer}.lora_B`, transposed(loraB, loraB.length / rank, rank)],
      ];
    }),
  );
  return { parameters, rank: layers[0]?.rank ?? 1, alpha: layers[0]?.alpha ?? 1 };
}

/** [rows, columns] -> [columns, rows]. */
function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      result[column * rows + row] = matrix[row * columns + column] ?? 0;
  }
  return result;
}
