/**
 * @file An adapter written into the weights of a model file. Nothing else of the file is touched: nodes, names and open axes
 * stay as they are.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { TributaryError } from '../../errors.js';
import { fileShapes, type LoraLayer } from '../adapters/lora-layer.js';
import { float32Data } from '../tensor.js';
import { decodeModel, toTensor } from './decode.js';
import { layerName } from './lora.js';
import type { GraphProto, NodeProto, TensorProto } from './proto/onnx_pb.js';
import { ModelProtoSchema, TensorProtoSchema } from './proto/onnx_pb.js';

/** An operator's weight: y = x W, x Wᵀ, or a convolution. */
type Layout = 'in-out' | 'out-in' | 'kernels';

interface Target {
  readonly node: NodeProto;
  readonly weight: TensorProto;
  readonly layout: Layout;
}

/**
 * Returns the model with W + (alpha / rank) · B A in the place of every adapted weight W. The sum is taken in float64 and
 * rounded once. A weight that several nodes share is given to the adapted one as a copy.
 *
 * Errors: TRIB_MODEL if the file is no model with float32 weights inside; TRIB_LORA, naming every layer that does not fit,
 * if the model lacks a layer or has it in another size.
 *
 * @param layers - their keys begin with `unet.`.
 */
export function mergeLora(bytes: Uint8Array, layers: readonly LoraLayer[], label: string): Uint8Array {
  const model = decodeModel(bytes, label);
  const targets = targetsOf(model.graph);
  requireFit(layers, targets, label);
  for (const layer of layers) {
    const target = targets.get(moduleOf(layer)) as Target;
    const weight = ownWeight(model.graph, target);
    const where = `${label} initializer "${weight.name}"`;
    const merged = float32Data(toTensor(weight, where), where).slice();
    addDifference(merged, layer, target.layout);
    weight.floatData = [];
    weight.rawData = new Uint8Array(merged.buffer, merged.byteOffset, merged.byteLength);
  }
  return toBinary(ModelProtoSchema, model);
}

const moduleOf = ({ key }: LoraLayer) => key.replace(/^unet\./, '');

/** The nodes with a constant weight, by the name of their layer. */
function targetsOf(graph: GraphProto): Map<string, Target> {
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  for (const { opType, output, attribute } of graph.node) {
    const value = attribute.find(({ name }) => name === 'value')?.t;
    if (opType === 'Constant' && value) tensors.set(output[0] ?? '', value);
  }
  const targets = new Map<string, Target>();
  for (const node of graph.node) {
    const weight = tensors.get(node.input[1] ?? '');
    const layout = layoutOf(node);
    if (weight && layout) targets.set(layerName(node.name), { node, weight, layout });
  }
  return targets;
}

function layoutOf({ opType, attribute }: NodeProto): Layout | undefined {
  const number = (name: string, otherwise: number) =>
    Number(attribute.find((one) => one.name === name)?.i ?? otherwise);
  switch (opType) {
    case 'MatMul':
      return 'in-out';
    case 'Gemm': {
      const alpha = attribute.find(({ name }) => name === 'alpha')?.f ?? 1;
      if (number('transA', 0) === 1 || alpha !== 1) return undefined;
      return number('transB', 0) === 1 ? 'out-in' : 'in-out';
    }
    case 'Conv': {
      const dilations = attribute.find(({ name }) => name === 'dilations')?.ints ?? [];
      return number('group', 1) === 1 && dilations.every((size) => size === 1n) ? 'kernels' : undefined;
    }
    default:
      return undefined;
  }
}

function requireFit(layers: readonly LoraLayer[], targets: ReadonlyMap<string, Target>, label: string): void {
  const faults = layers.flatMap((layer) => {
    const target = targets.get(moduleOf(layer));
    if (!target) return [`${moduleOf(layer)} (no such layer)`];
    const wanted = weightShape(layer, target.layout).join(', ');
    const got = target.weight.dims.join(', ');
    return wanted === got ? [] : [`${moduleOf(layer)} (for [${wanted}], the model has [${got}])`];
  });
  if (faults.length === 0) return;
  const more = faults.length > 6 ? `, and ${faults.length - 6} more` : '';
  throw new TributaryError(
    'TRIB_LORA',
    `${label}: expected the ${layers.length} layers of the adapter, got a model that ${faults.length} of them do not fit: ${faults.slice(0, 6).join(', ')}${more}. The adapter was made for another base: use it with that one.`,
  );
}

/** Shape of the weight that a layer belongs to; a linear layer fits a convolution of a 1 x 1 kernel, and the reverse. */
function weightShape(layer: LoraLayer, layout: Layout): readonly number[] {
  const { a, b } = fileShapes(layer);
  const [, inputs = 1, ...kernel] = a;
  const [outputs = 1] = b;
  if (layout === 'kernels') return [outputs, inputs, ...(layer.kernel ?? [1, 1])];
  const linear = layout === 'in-out' ? [inputs, outputs] : [outputs, inputs];
  return kernel.every((size) => size === 1) ? linear : [...linear, ...kernel];
}

/** The weight that only this node uses, copied first where there are others. */
function ownWeight(graph: GraphProto, { node, weight }: Target): TensorProto {
  const name = node.input[1] ?? '';
  const uses = graph.node.reduce((sum, { input }) => sum + input.filter((one) => one === name).length, 0);
  if (uses === 1 && graph.initializer.includes(weight)) return weight;
  const copy = create(TensorProtoSchema, { ...weight, name: `${node.name}/merged_weight` });
  graph.initializer.push(copy);
  node.input[1] = copy.name;
  return copy;
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
