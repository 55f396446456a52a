/** @file What a policy does to one weight of a network, wherever the weight lies: in a graph, in a file of PyTorch's. */
import { TributaryError } from '../../../errors.js';
import { withoutComponent } from '../../adapters/component-names.js';
import { fileShapes, type LoraLayer } from '../../adapters/lora-layer.js';

/**
 * How a weight lies: that of y = x W as [in, out], of y = x Wᵀ as [out, in] (PyTorch's way), or as a tensor whose axes are
 * PyTorch's: a convolution's kernels [out, in, height, width], a bias.
 */
export type Layout = 'in-out' | 'out-in' | 'kernels';

export interface WeightChange {
  /** Module and part, such as `mid_block.attentions.0.proj_in.weight`. */
  readonly name: string;
  /** The shape that the weight must have. */
  shapeIn(layout: Layout): readonly number[];
  /** Changes the weight's values, which are of that shape, in place. */
  apply(weight: Float32Array, layout: Layout): void;
}

/** W becomes W + (alpha / rank) · B A. The sum is taken in float64 and rounded once. */
export function loraChange(layer: LoraLayer): WeightChange {
  return {
    name: `${withoutComponent(layer.key)}.weight`,
    shapeIn: (layout) => weightShape(layer, layout),
    apply: (weight, layout) => addDifference(weight, layer, layout),
  };
}

/** A linear layer fits a convolution of a 1 x 1 kernel, and the reverse. */
function weightShape(layer: LoraLayer, layout: Layout): readonly number[] {
  const { a, b } = fileShapes(layer);
  const [, inputs = 1, ...kernel] = a;
  const [outputs = 1] = b;
  if (layout === 'kernels') return [outputs, inputs, ...(layer.kernel ?? [1, 1])];
  const linear = layout === 'in-out' ? [inputs, outputs] : [outputs, inputs];
  return kernel.every((size) => size === 1) ? linear : [...linear, ...kernel];
}

/** W += (alpha / rank) B A. Both in rows of outputs, but for `in-out`, where the two axes change places. */
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

/**
 * Checks that every change has its weight.
 * @param found the weights that there are, by PyTorch's names.
 *
 * Errors: TRIB_LORA, which names up to six that do not fit.
 */
export function requireFit(
  changes: readonly WeightChange[],
  found: ReadonlyMap<string, { readonly shape: readonly number[]; readonly layout: Layout }>,
  label: string,
): void {
  const faults = changes.flatMap(({ name, shapeIn }) => {
    const module = name.replace(/\.weight$/, '');
    const weight = found.get(name);
    if (!weight) return [`${module} (no such layer)`];
    const [wanted, got] = [shapeIn(weight.layout), weight.shape].map((shape) => shape.join(', '));
    return wanted === got ? [] : [`${module} (for [${wanted}], the model has [${got}])`];
  });
  if (faults.length === 0) return;
  const more = faults.length > 6 ? `, and ${faults.length - 6} more` : '';
  throw new TributaryError(
    'TRIB_LORA',
    `${label}: expected the ${changes.length} layers of the adapter, got a model that ${faults.length} of them do not fit: ${faults.slice(0, 6).join(', ')}${more}. The adapter was made for another base: use it with that one.`,
  );
}
