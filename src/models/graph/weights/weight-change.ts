/** @file How a policy changes one weight of a network, whether the weight is in a graph or in a file of PyTorch. */
import { TributaryError } from '../../../errors.js';
import type { AdapterContent } from '../../adapters/adapter-file.js';
import { fileShapes, type LoraLayer } from '../../adapters/lora-layer.js';
import type { OtherLayer } from '../../adapters/other-layers.js';

/**
 * The layout of a weight: [in, out] for y = x W, [out, in] for y = x Wᵀ (as in PyTorch), or a tensor with PyTorch's axes, such
 * as a convolution's kernels [out, in, height, width] or a bias.
 */
export type Layout = 'in-out' | 'out-in' | 'kernels';

export interface WeightChange {
  /** Module and parameter, such as `mid_block.attentions.0.proj_in.weight`. */
  readonly name: string;
  /** The shape that the weight must have: the one that it has where that fits. */
  shapeIn(layout: Layout, found: readonly number[]): readonly number[];
  /** Changes the weight's values, which have that shape, in place. */
  apply(weight: Float32Array, layout: Layout, shape: readonly number[]): void;
}

/** Changes by the component of a pipeline that they are of, such as `unet` and `text_encoder`. */
export type ComponentChanges = Readonly<Record<string, readonly WeightChange[]>>;

/** What adapter files change, each with a strength; those that change the same weight come one after the other. */
export function adapterChanges(
  files: readonly { readonly content: AdapterContent; readonly strength: number }[],
): ComponentChanges {
  const found = new Map<string, WeightChange[]>();
  for (const { content, strength } of files) {
    const add = (key: string, change: WeightChange) =>
      found.set(componentOf(key), [...(found.get(componentOf(key)) ?? []), change]);
    for (const layer of content.layers)
      add(layer.key, loraChange({ ...layer, alpha: layer.alpha * strength }));
    for (const layer of content.others) add(layer.key, otherChange(layer, strength));
  }
  return Object.fromEntries([...found].map(([component, changes]) => [component, oncePerWeight(changes)]));
}

const componentOf = (key: string) => key.slice(0, key.indexOf('.'));
const moduleOf = (key: string) => key.slice(key.indexOf('.') + 1);

function oncePerWeight(changes: readonly WeightChange[]): readonly WeightChange[] {
  const byName = new Map<string, WeightChange[]>();
  for (const change of changes) {
    const others = byName.get(change.name);
    if (others) others.push(change);
    else byName.set(change.name, [change]);
  }
  return [...byName].map(([name, all]) => ({
    name,
    shapeIn(layout, found) {
      const wanted = all.map(({ shapeIn }) => shapeIn(layout, found));
      return wanted.find((shape) => `${shape}` !== `${found}`) ?? found;
    },
    apply(weight, layout, shape) {
      for (const { apply } of all) apply(weight, layout, shape);
    },
  }));
}

/** The change of a layer that is not LoRA. */
function otherChange({ key, parameter, rows, columns, change }: OtherLayer, strength: number): WeightChange {
  const reversed = (shape: readonly number[], layout: Layout) =>
    layout === 'in-out' ? shape.toReversed() : shape;
  return {
    name: `${moduleOf(key)}.${parameter}`,
    shapeIn(layout, found) {
      const [first = 1, ...others] = reversed(found, layout);
      const rest = others.reduce((product, size) => product * size, 1);
      if ((rows ?? first) === first && (columns ?? rest) === rest) return found;
      return reversed(
        columns === 1 && parameter === 'bias' ? [rows ?? first] : [rows ?? first, columns ?? rest],
        layout,
      );
    },
    apply(weight, layout, shape) {
      if (layout !== 'in-out') return change(weight, shape, strength);
      const [inputs = 1, outputs = 1] = shape;
      const plain = transpose(weight, inputs, outputs);
      change(plain, [outputs, inputs], strength);
      weight.set(transpose(plain, outputs, inputs));
    },
  };
}

/** [rows, columns] -> [columns, rows]. */
export function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      result[column * rows + row] = matrix[row * columns + column]!;
  }
  return result;
}

/** W becomes W + (alpha / rank) · B A. The sum is taken in float64 and rounded once. */
export function loraChange(layer: LoraLayer): WeightChange {
  return {
    name: `${moduleOf(layer.key)}.weight`,
    shapeIn: (layout) => weightShape(layer, layout),
    apply: (weight, layout) => addDifference(weight, layer, layout),
  };
}

/** The adapter of a linear layer also fits a convolution with a 1 x 1 kernel, and vice versa. */
function weightShape(layer: LoraLayer, layout: Layout): readonly number[] {
  const { a, b } = fileShapes(layer);
  const [[, inputs, ...kernel], [outputs]] = [a, b];
  if (layout === 'kernels') return [outputs, inputs, ...(layer.kernel ?? [1, 1])];
  const linear = layout === 'in-out' ? [inputs, outputs] : [outputs, inputs];
  return kernel.every((size) => size === 1) ? linear : [...linear, ...kernel];
}

/** W has rows of outputs, except for `in-out`, where it is transposed. */
function addDifference(weight: Float32Array, { loraA, loraB, rank, alpha }: LoraLayer, layout: Layout): void {
  const [inputs, outputs] = [loraA.length / rank, loraB.length / rank];
  const scale = alpha / rank;
  const sums = new Float64Array(inputs);
  for (let o = 0; o < outputs; o++) {
    sums.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = loraB[o * rank + r]!;
      for (let i = 0; i < inputs; i++) sums[i]! += factor * loraA[r * inputs + i]!;
    }
    for (let i = 0; i < inputs; i++)
      weight[layout === 'in-out' ? i * outputs + o : o * inputs + i]! += scale * sums[i]!;
  }
}

/** Errors: TRIB_LORA if a component is changed that a pipeline does not have. */
export function requireComponents(
  changes: ComponentChanges,
  components: readonly string[],
  label: string,
): void {
  const [missing] = Object.entries(changes).filter(([component]) => !components.includes(component));
  if (!missing) return;
  throw new TributaryError(
    'TRIB_LORA',
    `${label}: expected a pipeline with the component ${missing[0]}, of which the adapter has ${missing[1].length} layers, got ${components.join(', ')}. The adapter was made for another base: use it with that one.`,
  );
}

/** Errors: TRIB_LORA, naming up to six changes that fit none of the weights `found`, which are by PyTorch's names. */
export function requireFit(
  changes: readonly WeightChange[],
  found: ReadonlyMap<string, { readonly shape: readonly number[]; readonly layout: Layout }>,
  label: string,
): void {
  const faults = changes.flatMap(({ name, shapeIn }) => {
    const module = name.replace(/\.weight$/, '');
    const weight = found.get(name);
    if (!weight) return [`${module} (no such layer)`];
    const { layout, shape } = weight;
    const [wanted, got] = [shapeIn(layout, shape), shape].map((sizes) => sizes.join(', '));
    return wanted === got ? [] : [`${module} (for [${wanted}], the model has [${got}])`];
  });
  if (faults.length === 0) return;
  const more = faults.length > 6 ? `, and ${faults.length - 6} more` : '';
  throw new TributaryError(
    'TRIB_LORA',
    `${label}: expected the ${changes.length} layers of the adapter, got a model that ${faults.length} of them do not fit: ${faults.slice(0, 6).join(', ')}${more}. The adapter was made for another base: use it with that one.`,
  );
}
