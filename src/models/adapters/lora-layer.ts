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
