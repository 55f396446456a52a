/** @file One adapted layer, as in adapter files of every style. */
import { TributaryError } from '../../errors.js';

/**
 * The adapter of one layer: W becomes W + (alpha / rank) · B A (Hu et al. 2021). For a convolution, A is a kernel of the
 * layer's size with `rank` outputs, followed by a 1 x 1 kernel B, as in PEFT and kohya.
 */
export interface LoraLayer {
  /** Component and module, such as `unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q`. */
  readonly key: string;
  /** A [rank, in] float32, row-major; [rank, in, height, width] for a convolution. */
  readonly loraA: Float32Array;
  /** B [out, rank] float32, row-major; [out, rank, 1, 1] for a convolution. */
  readonly loraB: Float32Array;
  readonly rank: number;
  readonly alpha: number;
  /** Height and width of a convolution's kernel; absent for a linear layer. */
  readonly kernel?: readonly [height: number, width: number];
}

/** Shapes of A and B in files. */
export function fileShapes({ loraA, loraB, rank, kernel }: LoraLayer): {
  readonly a: readonly [rank: number, inputs: number, ...kernel: number[]];
  readonly b: readonly [outputs: number, rank: number, ...kernel: number[]];
} {
  const [inputs, outputs] = [loraA.length / rank, loraB.length / rank];
  if (!kernel) return { a: [rank, inputs], b: [outputs, rank] };
  const [height, width] = kernel;
  return { a: [rank, inputs / (height * width), height, width], b: [outputs, rank, 1, 1] };
}

/**
 * Returns the layers with the same rank, the largest, and the same alpha, that of the first layer of this rank. Smaller
 * layers are padded with zeros, and their scale moves into B, so the adapter is the same up to the rounding of B.
 */
export function withOneRank(layers: readonly LoraLayer[]): readonly LoraLayer[] {
  const [first] = layers.toSorted((one, other) => other.rank - one.rank);
  if (!first) return [];
  const { rank, alpha } = first;
  return layers.map((layer) => {
    if (layer.rank === rank && layer.alpha === alpha) return layer;
    const factor = layer.alpha / layer.rank / (alpha / rank);
    const loraA = new Float32Array((layer.loraA.length / layer.rank) * rank);
    loraA.set(layer.loraA);
    const loraB = new Float32Array((layer.loraB.length / layer.rank) * rank);
    layer.loraB.forEach((value, i) => {
      loraB[Math.floor(i / layer.rank) * rank + (i % layer.rank)] = value * factor;
    });
    return { ...layer, loraA, loraB, rank, alpha };
  });
}

/**
 * Returns the weighted sum of adapters: every layer that one of them has. Factors of the same layer stand side by side, so that
 * its rank is the sum of theirs, and strengths are in B. A single adapter at strength 1 is returned as it is.
 *
 * Errors: TRIB_LORA if two adapters have a layer in different sizes.
 */
export function summedLayers(
  adapters: readonly { readonly layers: readonly LoraLayer[]; readonly strength: number }[],
): readonly LoraLayer[] {
  const [only, ...more] = adapters;
  if (only?.strength === 1 && more.length === 0) return only.layers;
  const found = new Map<string, LoraLayer>();
  for (const { layers, strength } of adapters) {
    for (const layer of layers) {
      const scale = (strength * layer.alpha) / layer.rank;
      const own = { ...layer, alpha: layer.rank, loraB: layer.loraB.map((value) => value * scale) };
      const other = found.get(layer.key);
      found.set(layer.key, other ? sideBySide(other, own) : own);
    }
  }
  return [...found.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
}

function sideBySide(one: LoraLayer, other: LoraLayer): LoraLayer {
  const sizes = [one, other].map(
    ({ loraA, loraB, rank }) => `${loraB.length / rank} x ${loraA.length / rank}`,
  );
  if (sizes[0] !== sizes[1]) {
    const nextStep = 'They were made for different bases: use adapters of one.';
    throw loraFault(one.key, 'the same size in all adapters', sizes.join(' and '), nextStep);
  }
  const rank = one.rank + other.rank;
  const outputs = one.loraB.length / one.rank;
  const loraB = new Float32Array(outputs * rank);
  for (let o = 0; o < outputs; o++) {
    loraB.set(one.loraB.subarray(o * one.rank, (o + 1) * one.rank), o * rank);
    loraB.set(other.loraB.subarray(o * other.rank, (o + 1) * other.rank), o * rank + one.rank);
  }
  const loraA = new Float32Array(one.loraA.length + other.loraA.length);
  loraA.set(one.loraA);
  loraA.set(other.loraA, one.loraA.length);
  return { ...one, rank, alpha: rank, loraA, loraB };
}

/** Whether all layers have the same rank and alpha, as in adapters that Tributary trains. */
export function haveOneRank(layers: readonly LoraLayer[]): boolean {
  return layers.every(({ rank, alpha }) => rank === layers[0]?.rank && alpha === layers[0].alpha);
}

/** The fault of an adapter file, or of layers that no file can hold. */
export function loraFault(where: string, expected: string, got: string, nextStep: string): TributaryError {
  return new TributaryError('TRIB_LORA', `LoRA file ${where}: expected ${expected}, got ${got}. ${nextStep}`);
}

/** The first of many names: `"a", "b", "c" and 9 more`. */
export function someOf(names: readonly string[], most = 4): string {
  const shown = names.slice(0, most).map((name) => `"${name}"`);
  return names.length > most ? `${shown.join(', ')} and ${names.length - most} more` : shown.join(', ');
}
