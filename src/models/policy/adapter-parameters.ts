/** @file The parameters of an adapter: fresh, and as the file that diffusers loads. */

import { named } from '../../at.js';
import { TributaryError } from '../../errors.js';
import type { BesideLoraFile } from '../adapters/adapter-file.js';
import { isOfTextEncoder, withoutComponent } from '../adapters/component-names.js';
import { decodeLoraFile, encodeLoraFile } from '../adapters/lora-file.js';
import { fileShapes, haveOneRank, type LoraLayer, someOf, withOneRank } from '../adapters/lora-layer.js';
import { type Adapter, adapterShapes, type LoraSettings } from '../graph/weights/lora.js';
import type { PolicyInputs } from '../graph/weights/policy-network.js';
import { transpose } from '../graph/weights/weight-change.js';
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
  { component, adapters }: Pick<PolicyInputs, 'component' | 'adapters'>,
  parameters: NamedArrays,
  { rank, alpha }: LoraSettings,
): Uint8Array {
  const layers = adapters.map(({ layer, inputA, inputB, inFeatures, outFeatures, kernel }): LoraLayer => {
    const [a, b] = [named(parameters, inputA), named(parameters, inputB)];
    const key = isOfTextEncoder(layer) ? layer : `${component}.${layer}`;
    const size = { key, rank, alpha };
    if (kernel) return { ...size, loraA: a, loraB: b, kernel };
    return { ...size, loraA: transpose(a, inFeatures, rank), loraB: transpose(b, rank, outFeatures) };
  });
  return encodeLoraFile(layers);
}

/** What an adapter file holds, as a policy takes it. */
export interface FileAdapter {
  /** All of one rank and one alpha. */
  readonly stored: readonly LoraLayer[];
  readonly rank: number;
  readonly alpha: number;
  /** Names of the adapted layers. */
  readonly layers: readonly string[];
  /** False if the file has several ranks or alphas, which `withOneRank` made one. */
  readonly hasOneRank: boolean;
}

/**
 * Reads an adapter file. What its numbers are inside a graph is known only with the layers: see `adapterParameters`.
 *
 * Errors: those of `decodeLoraFile`.
 */
export function decodeAdapter(bytes: Uint8Array, where: string, beside?: BesideLoraFile): FileAdapter {
  return fileAdapter(decodeLoraFile(bytes, where, beside));
}

/** Layers as a policy takes them. */
export function fileAdapter(read: readonly LoraLayer[]): FileAdapter {
  const stored = withOneRank(read);
  return {
    stored,
    rank: stored[0]?.rank ?? 1,
    alpha: stored[0]?.alpha ?? 1,
    layers: stored.map(({ key }) => withoutComponent(key)),
    hasOneRank: haveOneRank(read),
  };
}

/**
 * Returns the parameters of an adapter by the names and in the layouts of a network's inputs. The layer decides, not the rank
 * of the file's tensors: [rank, in] and [rank, in, 1, 1] are the same numbers, for a linear layer and for a 1 x 1 convolution.
 *
 * Errors: TRIB_LORA, which names up to six layers that the file lacks, or has in shapes for another layer; or layers of text
 * encoders that the policy does not train.
 */
export function adapterParameters(
  { stored }: Pick<FileAdapter, 'stored'>,
  adapters: readonly Adapter[],
  where: string,
): NamedArrays {
  requireSizes(stored, adapters, where);
  const found = byLayer(stored);
  return Object.fromEntries(
    adapters.flatMap(({ layer, inputA, inputB, kernel }) => {
      const { loraA, loraB, rank } = found.get(layer) as LoraLayer;
      return [
        [inputA, kernel ? loraA : transpose(loraA, rank, loraA.length / rank)],
        [inputB, kernel ? loraB : transpose(loraB, loraB.length / rank, rank)],
      ];
    }),
  );
}

const byLayer = (stored: FileAdapter['stored']) =>
  new Map(stored.map((layer) => [withoutComponent(layer.key), layer]));

/** Checks that a file has the layers of a network in their sizes. Errors: as `adapterParameters`. */
export function requireSizes(
  stored: FileAdapter['stored'],
  adapters: readonly Adapter[],
  where: string,
): void {
  requireTrained(stored, adapters, where);
  const found = byLayer(stored);
  const faults = adapters.flatMap((adapter) => {
    const layer = found.get(adapter.layer);
    if (!layer) return [`${adapter.layer} (none)`];
    if (fits(layer, adapter)) return [];
    const { a, b } = fileShapes(layer);
    return [`${adapter.layer} (A [${a.join(', ')}] and B [${b.join(', ')}] for ${describe(adapter)})`];
  });
  if (faults.length > 0) {
    const more = faults.length > 6 ? `, and ${faults.length - 6} more` : '';
    throw new TributaryError(
      'TRIB_LORA',
      `${where}: expected A and B in the sizes of the model's layers, got others for ${faults.slice(0, 6).join(', ')}${more}. The adapter was made for another base: use it with that one.`,
    );
  }
}

/** Whether A and B have the features and the window of a layer. A matrix has a window of 1 x 1. */
function fits({ loraA, loraB, rank, kernel }: LoraLayer, adapter: Adapter): boolean {
  const [height, width] = adapter.kernel ?? [1, 1];
  const [ownHeight, ownWidth] = kernel ?? [1, 1];
  return (
    ownHeight === height &&
    ownWidth === width &&
    loraA.length === rank * adapter.inFeatures * height * width &&
    loraB.length === adapter.outFeatures * rank
  );
}

function describe({ inFeatures, outFeatures, kernel }: Adapter): string {
  const kind = kernel ? `a ${kernel.join(' x ')} convolution` : 'a linear layer';
  return `${kind} of ${inFeatures} inputs and ${outFeatures} outputs`;
}

/**
 * Without the layers of a text encoder, pictures would differ from those that the adapter's maker saw.
 *
 * Errors: TRIB_LORA if a file has such layers beside those that are trained.
 */
export function requireTrained(
  stored: FileAdapter['stored'],
  adapters: readonly Adapter[],
  where: string,
): void {
  const trained = new Set(adapters.map(({ layer }) => layer));
  const others = stored.map(({ key }) => key).filter((key) => isOfTextEncoder(key) && !trained.has(key));
  if (others.length === 0) return;
  throw new TributaryError(
    'TRIB_LORA',
    `${where}: expected only layers that are trained, got ${others.length} of text encoders that are not: ${someOf(others)}. Name them in model.lora.textEncoder, merge the file into its base and train that (tributary merge), or leave them out (tributary export --ignore-text-encoder).`,
  );
}
