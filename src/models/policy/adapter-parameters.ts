/** @file The parameters of a policy: fresh, and as the file that diffusers loads. */

import { TributaryError } from '../../errors.js';
import { decodeLoraFile, encodeLoraFile } from '../adapters/lora-file.js';
import { haveOneRank, type LoraLayer, someOf, withOneRank } from '../adapters/lora-layer.js';
import type { LoraSettings } from '../diffusion/denoiser.js';
import { type Adapter, adapterShapes } from '../graph/lora.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import { counterRandom } from '../random/counter-random.js';
import { elementCount } from '../tensor.js';

/** A normal with standard deviation 1 / rank, B zero: the untouched model (diffusers' `init_lora_weights="gaussian"`). */
export function initialParameters(
  adapters: readonly Adapter[],
  { rank }: LoraSettings,
  seed: number,
): NamedArrays {
  return Object.fromEntries(
    adapters.flatMap((adapter, index) => {
      const { a, b } = adapterShapes(adapter, rank);
      const normal = counterRandom({ seed, purpose: 'parameter-init', group: index }).normal(elementCount(a));
      return [
        [adapter.inputA, normal.map((value) => value / rank)],
        [adapter.inputB, new Float32Array(elementCount(b))],
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
  const layers = adapters.map(({ layer, inputA, inputB, inFeatures, outFeatures, kernel }): LoraLayer => {
    const [a, b] = [parameters[inputA] ?? new Float32Array(), parameters[inputB] ?? new Float32Array()];
    const size = { key: `unet.${layer}`, rank, alpha };
    if (kernel) return { ...size, loraA: a, loraB: b, kernel };
    return {
      ...size,
      loraA: transposed(a, inFeatures, rank),
      loraB: transposed(b, rank, outFeatures),
    };
  });
  return encodeLoraFile(layers);
}

/** What an adapter file holds, as a policy takes it. */
export interface FileParameters {
  /** By the graph's input names. */
  readonly parameters: NamedArrays;
  readonly rank: number;
  readonly alpha: number;
  /** Names of the adapted layers. */
  readonly layers: readonly string[];
  /** False where the file has a rank or an alpha of its own for some layers, which were brought to one (`withOneRank`). */
  readonly hasOneRank: boolean;
}

/**
 * Reads an adapter file.
 *
 * Errors: those of `decodeLoraFile`; TRIB_LORA if it adapts anything else than the UNet.
 */
export function decodeParameters(bytes: Uint8Array, where: string): FileParameters {
  const stored = decodeLoraFile(bytes, where);
  requireUnet(stored, where);
  const layers = withOneRank(stored);
  const parameters = Object.fromEntries(
    layers.flatMap(({ key, loraA, loraB, rank, kernel }) => {
      const layer = unetLayer(key);
      return [
        [`${layer}.lora_A`, kernel ? loraA : transposed(loraA, rank, loraA.length / rank)],
        [`${layer}.lora_B`, kernel ? loraB : transposed(loraB, loraB.length / rank, rank)],
      ];
    }),
  );
  return {
    parameters,
    rank: layers[0]?.rank ?? 1,
    alpha: layers[0]?.alpha ?? 1,
    layers: layers.map(({ key }) => unetLayer(key)),
    hasOneRank: haveOneRank(stored),
  };
}

const unetLayer = (key: string) => key.replace(/^unet\./, '');

/** To pass over the layers of a text encoder would draw other pictures than the adapter's maker saw. */
export function requireUnet(layers: readonly LoraLayer[], where: string): void {
  const others = layers.map(({ key }) => key).filter((key) => !key.startsWith('unet.'));
  if (others.length === 0) return;
  throw new TributaryError(
    'TRIB_LORA',
    `${where}: expected layers of the UNet alone, got ${others.length} of other components: ${someOf(others)}. Save the adapter without them.`,
  );
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
