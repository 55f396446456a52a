/**
 * @file Changes of weights that are not LoRA: LoHa and LoKr (LyCORIS), DoRA (Liu et al. 2024), IA³, full differences, and biases.
 * They are merged into a model, never trained. Weights are seen as rows of outputs: [out, in · height · width].
 */
import type { SafetensorsTensor } from '../files/safetensors.js';
import { floats, numbers, type Parts, pair, SAVE_AGAIN, withMiddle } from './factors.js';
import { loraFault } from './lora-layer.js';

/** The change of one parameter of a module. */
export interface OtherLayer {
  /** Component and module, as in `LoraLayer`. */
  readonly key: string;
  /** What people call it, such as `LoHa`. */
  readonly kind: string;
  readonly parameter: 'weight' | 'bias';
  /** Rows and columns that the parameter must have; null where any number does. */
  readonly rows: number | null;
  readonly columns: number | null;
  /**
   * Changes a parameter of this size in place.
   * @param shape of the parameter in PyTorch.
   * @param strength 1 for the whole change, 0 for none.
   */
  change(values: Float32Array, shape: readonly number[], strength: number): void;
}

/** What may be added to a weight, scaled already. */
interface Difference {
  readonly kind: string;
  readonly rows: number;
  readonly columns: number;
  /** Computed only where it is needed: together the differences of a file may be as large as the model. */
  values(): Float64Array;
}

interface Reading {
  /** File and key, for error texts. */
  readonly where: string;
  alphaOf(rank: number): number;
  /** The scale of LoKr with two whole factors: 1 in files of LyCORIS, alpha / r in PEFT's. */
  scaleWithoutRank(): number;
}

/**
 * Returns the changes that one layer's tensors make beside its A and B; `isWhole` if that is all there is. LyCORIS'
 * `get_diff_weight` of LoHa and LoKr applies the scale twice, its layers in training once, as here and in ComfyUI. At another
 * strength than 1, DoRA gives W + strength (W' - W), as in ComfyUI.
 */
export function otherLayers(
  key: string,
  parts: Parts,
  reading: Reading,
): { readonly layers: readonly OtherLayer[]; readonly isWhole: boolean } {
  const layers: OtherLayer[] = [];
  const add = (
    kind: string,
    parameter: OtherLayer['parameter'],
    tensor: SafetensorsTensor,
    scale: number,
  ) => {
    const values = floats(tensor, reading.where);
    const [rows = 1] = tensor.shape;
    const difference = { kind, rows, columns: values.length / rows, values: () => scaled(values, scale) };
    layers.push(added(key, parameter, difference));
  };
  const {
    diff,
    diff_b: diffBias,
    w_norm: normWeight,
    b_norm: normBias,
    bias,
    set_weight: replacement,
  } = parts;
  if (diff) add('a full difference', 'weight', diff, 1);
  if (diffBias) add('a full difference', 'bias', diffBias, 1);
  if (normWeight) add('a full difference', 'weight', normWeight, 1);
  if (normBias) add('a full difference', 'bias', normBias, 1);
  if (replacement) layers.push(replaced(key, replacement, reading.where));
  if (parts.ia3) layers.push(scaledActivations(key, parts.ia3, parts.on_input, reading.where));
  if (bias && parts.B) {
    const rank = parts.B.shape[1] ?? 1;
    add('a bias of B', 'bias', bias, reading.alphaOf(rank) / rank);
  }
  const magnitude = parts.dora_scale ?? parts.magnitude;
  const difference = productOf(parts, reading) ?? (magnitude && plainProduct(parts, reading));
  if (difference && magnitude) {
    // PEFT's magnitudes are of the outputs. Those of LyCORIS are [out, 1, ...], or [1, in, ...] in files of its first version.
    const isOfInputs = parts.dora_scale !== undefined && magnitude.shape[0] === 1 && difference.rows !== 1;
    layers.push(decomposed(key, difference, floats(magnitude, reading.where), isOfInputs));
  } else if (difference) layers.push(added(key, 'weight', difference));
  const hasPair = parts.A !== undefined || parts.B !== undefined || parts.mid !== undefined;
  return { layers, isWhole: magnitude !== undefined || (layers.length > 0 && !hasPair) };
}

function added(key: string, parameter: OtherLayer['parameter'], difference: Difference): OtherLayer {
  const { kind, rows, columns } = difference;
  return {
    ...{ key, kind, parameter, rows, columns },
    change(values, _, strength) {
      const all = difference.values();
      for (let i = 0; i < values.length; i++) values[i]! += strength * all[i]!;
    },
  };
}

function replaced(key: string, tensor: SafetensorsTensor, where: string): OtherLayer {
  const all = floats(tensor, where);
  const [rows = 1] = tensor.shape;
  return {
    ...{
      key,
      kind: 'a weight in place of the own one',
      parameter: 'weight',
      rows,
      columns: all.length / rows,
    },
    change(values, _, strength) {
      for (let i = 0; i < values.length; i++) values[i]! += strength * (all[i]! - values[i]!);
    },
  };
}

/** IA³ as LyCORIS has it: W + W · w, with a number w for every output, or every input. */
function scaledActivations(
  key: string,
  tensor: SafetensorsTensor,
  onInput: SafetensorsTensor | undefined,
  where: string,
): OtherLayer {
  const factors = floats(tensor, where);
  const isOfInputs = onInput !== undefined && numbers(onInput, where)[0] !== 0;
  return {
    ...{ key, kind: 'IA³', parameter: 'weight', rows: isOfInputs ? null : factors.length, columns: null },
    change(values, shape, strength) {
      const [perRow, window] = sizesOf(values, shape);
      for (let i = 0; i < values.length; i++) {
        const place = isOfInputs ? Math.floor((i % perRow) / window) : Math.floor(i / perRow);
        values[i]! *= 1 + strength * (factors[place] ?? Number.NaN);
      }
    },
  };
}

/** DoRA: m (W + D) / |W + D|, with the norm over each row of outputs, or over all weights of each input. */
function decomposed(
  key: string,
  difference: Difference,
  magnitudes: Float32Array,
  isOfInputs: boolean,
): OtherLayer {
  const { kind, rows, columns } = difference;
  return {
    ...{ key, kind: kind === 'LoRA' ? 'DoRA' : `${kind} with DoRA`, parameter: 'weight', rows, columns },
    change(values, shape, strength) {
      const all = difference.values();
      const [perRow, window] = sizesOf(values, shape);
      const placeOf = (i: number) =>
        isOfInputs ? Math.floor((i % perRow) / window) : Math.floor(i / perRow);
      const squares = new Float64Array(magnitudes.length);
      for (let i = 0; i < values.length; i++) {
        all[i]! += values[i]!;
        squares[placeOf(i)]! += all[i]! * all[i]!;
      }
      for (let i = 0; i < values.length; i++) {
        const place = placeOf(i);
        const whole = (magnitudes[place]! * all[i]!) / Math.sqrt(squares[place]!);
        values[i]! += strength * (whole - values[i]!);
      }
    },
  };
}

/** Weights of a row, and places of a kernel. */
function sizesOf(values: Float32Array, [rows = 1, , ...kernel]: readonly number[]): [number, number] {
  return [values.length / rows, kernel.reduce((product, size) => product * size, 1)];
}

/** LoHa: (A1 B1) ∘ (A2 B2). LoKr: A ⊗ B, each whole or a product. */
function productOf(parts: Parts, { where, alphaOf, scaleWithoutRank }: Reading): Difference | undefined {
  if (parts.hada_w1_a ?? parts.hada_w1_b ?? parts.hada_w2_a ?? parts.hada_w2_b) {
    const one = factorOf([parts.hada_w1_a, parts.hada_w1_b, parts.hada_t1], where);
    const other = factorOf([parts.hada_w2_a, parts.hada_w2_b, parts.hada_t2], where);
    const { rows, columns, rank } = one;
    if (other.rows !== rows || other.columns !== columns || rank === null)
      throw loraFault(where, 'two products of one size', sizes([one, other]), SAVE_AGAIN);
    const scale = alphaOf(rank) / rank;
    const values = () => {
      const [first, second] = [one.values(), other.values()];
      return first.map((value, i) => scale * value * second[i]!);
    };
    return { kind: 'LoHa', rows, columns, values };
  }
  const { lokr_w1: whole1, lokr_w2: whole2, lokr_w1_a: a1, lokr_w2_a: a2 } = parts;
  if (!(whole1 ?? whole2 ?? a1 ?? a2)) return undefined;
  const one = whole1 ? wholeFactor(whole1, where) : factorOf([a1, parts.lokr_w1_b, undefined], where);
  const other = whole2 ? wholeFactor(whole2, where) : factorOf([a2, parts.lokr_w2_b, parts.lokr_t2], where);
  const rank = one.rank ?? other.rank;
  const scale = rank === null ? scaleWithoutRank() : alphaOf(rank) / rank;
  const [rows, columns] = [one.rows * other.rows, one.columns * other.columns];
  const values = () => {
    const [first, second] = [one.values(), other.values()];
    return Float64Array.from({ length: rows * columns }, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      const left = first[Math.floor(row / other.rows) * one.columns + Math.floor(column / other.columns)]!;
      return scale * left * second[(row % other.rows) * other.columns + (column % other.columns)]!;
    });
  };
  return { kind: 'LoKr', rows, columns, values };
}

/** (alpha / rank) B A, for DoRA. */
function plainProduct(parts: Parts, { where, alphaOf }: Reading): Difference {
  const { loraA, loraB, rank } = pair(parts.A, parts.B, parts.mid, where);
  const [rows, columns] = [loraB.length / rank, loraA.length / rank];
  const scale = alphaOf(rank) / rank;
  return { kind: 'LoRA', rows, columns, values: () => product(loraB, loraA, [rows, rank, columns], scale) };
}

interface Factor extends Omit<Difference, 'kind'> {
  readonly rank: number | null;
}

function wholeFactor(tensor: SafetensorsTensor, where: string): Factor {
  const values = floats(tensor, where);
  const [rows = 1] = tensor.shape;
  return { rows, columns: values.length / rows, rank: null, values: () => Float64Array.from(values) };
}

/** a b, where b is [rank, n]; with a middle kernel t [rank, rank, h, w] it is aᵀ (t b), and a is [rank, out]. */
function factorOf(
  [a, b, t]: readonly [
    SafetensorsTensor | undefined,
    SafetensorsTensor | undefined,
    SafetensorsTensor | undefined,
  ],
  where: string,
): Factor {
  const rank = b?.shape[0] ?? 0;
  const fits = a?.shape.length === 2 && b?.shape.length === 2 && a.shape[t ? 0 : 1] === rank && rank > 0;
  if (!a || !b || !fits) {
    const got = `[${a?.shape.join(', ') ?? 'missing'}] and [${b?.shape.join(', ') ?? 'missing'}]`;
    throw loraFault(where, `factors ${t ? '[rank, out]' : '[out, rank]'} and [rank, in]`, got, SAVE_AGAIN);
  }
  const [left, right] = [floats(a, where), floats(b, where)];
  const rows = left.length / rank;
  if (!t) {
    const columns = right.length / rank;
    return { rows, columns, rank, values: () => product(left, right, [rows, rank, columns], 1) };
  }
  const { loraA } = withMiddle(right, b.shape, t, where);
  const columns = loraA.length / rank;
  const transposed = Float32Array.from(
    left,
    (_, i) => left[(i % rank) * rows + Math.floor(i / rank)] ?? Number.NaN,
  );
  return { rows, columns, rank, values: () => product(transposed, loraA, [rows, rank, columns], 1) };
}

function product(
  left: Float32Array,
  right: Float32Array,
  [rows, inner, columns]: readonly [number, number, number],
  scale: number,
): Float64Array {
  const result = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < inner; k++) {
      const factor = scale * left[row * inner + k]!;
      for (let column = 0; column < columns; column++)
        result[row * columns + column]! += factor * right[k * columns + column]!;
    }
  }
  return result;
}

const scaled = (values: Float32Array, scale: number) => Float64Array.from(values, (value) => scale * value);

const sizes = (factors: readonly Factor[]) =>
  factors.map(({ rows, columns }) => `[${rows}, ${columns}]`).join(' and ');
