/** @file Applies changes of weights, such as an adapter, to an ONNX model. Nodes, names and open axes stay as they are. */
import { create } from '@bufbuild/protobuf';
import { at } from '../../../at.js';
import { float32Data } from '../../tensor.js';
import { toTensor } from '../onnx/decode.js';
import {
  TensorProto_DataLocation as DataLocation,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  TensorProtoSchema,
} from '../onnx/onnx_pb.js';
import { layerName } from './lora.js';
import { type Layout, requireFit, type WeightChange } from './weight-change.js';

interface Target {
  /** The only node that gets the changed weight; absent if the weight has a name of its own. */
  readonly node?: NodeProto;
  readonly weight: TensorProto;
  readonly layout: Layout;
}

/** Changes the values of one weight in place. */
export type Apply = (values: Float32Array) => void;

/**
 * Changes the weights inside a model, which must be float32, and returns what to do with those outside, by the name of their
 * initializer. If several nodes share a weight, the changed one gets a copy.
 *
 * Errors: TRIB_LORA, naming everything that does not fit, if the model lacks a weight or has it in another size.
 */
export function changeWeights(
  model: ModelProto & { graph: GraphProto },
  changes: readonly WeightChange[],
  label: string,
): ReadonlyMap<string, Apply> {
  const targets = targetsOf(model.graph);
  const found = new Map(
    [...targets].map(([name, { weight, layout }]) => [name, { shape: plainShape(weight), layout }]),
  );
  requireFit(changes, found, label);
  const outside = new Map<string, Apply>();
  for (const change of changes) {
    const target = targets.get(change.name) as Target;
    const weight = ownWeight(model.graph, target);
    const shape = plainShape(weight);
    const apply: Apply = (values) => change.apply(values, target.layout, shape);
    if (weight.dataLocation === DataLocation.EXTERNAL) {
      outside.set(weight.name, apply);
      continue;
    }
    const where = `${label} initializer "${weight.name}"`;
    const changed = float32Data(toTensor(weight, where), where).slice();
    apply(changed);
    weight.floatData = [];
    weight.rawData = new Uint8Array(changed.buffer, changed.byteOffset, changed.byteLength);
  }
  return outside;
}

/** The weights of layers by the name that PyTorch would give them, and other weights that have such a name. */
function targetsOf(graph: GraphProto): Map<string, Target> {
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  for (const { opType, output, attribute } of graph.node) {
    const value = attribute.find(({ name }) => name === 'value')?.t;
    if (opType === 'Constant' && value) tensors.set(at(output, 0), value);
  }
  const targets = new Map<string, Target>();
  for (const node of graph.node) {
    const [, name] = node.input;
    const weight = name && tensors.get(name);
    const layout = layoutOf(node);
    if (weight && layout) targets.set(`${layerName(node.name)}.weight`, { node, weight, layout });
  }
  for (const weight of graph.initializer) {
    if (/\.(weight|bias)$/.test(weight.name) && !targets.has(weight.name))
      targets.set(weight.name, { weight, layout: 'kernels' });
  }
  return targets;
}

/** PyTorch's shape of a weight: some graphs have the weight of a norm as [C, 1, 1] instead of [C]. */
function plainShape({ dims }: TensorProto): number[] {
  const shape = dims.map(Number);
  return shape.length === 3 && shape.slice(1).every((size) => size === 1) ? shape.slice(0, 1) : shape;
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
      const dilations = attribute.find(({ name }) => name === 'dilations');
      const isDilated = dilations?.ints.some((size) => size !== 1n) ?? false;
      return number('group', 1) === 1 && !isDilated ? 'kernels' : undefined;
    }
    default:
      return undefined;
  }
}

/** Returns a weight that only this node uses, copying it if other nodes use it too. */
function ownWeight(graph: GraphProto, { node, weight }: Target): TensorProto {
  if (!node) return weight;
  const name = at(node.input, 1);
  const uses = graph.node.reduce((sum, { input }) => sum + input.filter((one) => one === name).length, 0);
  if (uses === 1 && graph.initializer.includes(weight)) return weight;
  const copy = create(TensorProtoSchema, { ...weight, name: `${node.name}/merged_weight` });
  graph.initializer.push(copy);
  node.input[1] = copy.name;
  return copy;
}
