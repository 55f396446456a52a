/** @file How a policy changes one weight of a network, whether the weight is in a graph or in a file of PyTorch. */
import { TributaryError } from '../../../errors.js';
import { withoutComponent } from '../../adapters/component-names.js';
import { fileShapes, type LoraLayer } from '../../adapters/lora-layer.js';

/**
 * The layout of a weight: [in, out] for y = x W, [out, in] for y = x Wᵀ (as in PyTorch), or a tensor with PyTorch's axes, such
 * as a convolution's kernels [out, in, height, width] or a bias.
 */
export type Layout = 'in-out' | 'out-in' | 'kernels';

export interface WeightChange {
  /** Module and parameter, such as `mid_block.attentions.0.proj_in.weight`. */
  readonly name: string;
  /** The shape that the weight must have. */
  shapeIn(layout: Layout): readonly number[];
  /** Changes the weight's values, which have that shape, in place. */
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
