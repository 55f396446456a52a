/** @file From an ONNX model to a Graph with fixed sizes, folded constants and the shape of every intermediate. */

import { create, toBinary } from '@bufbuild/protobuf';
import { TributaryError } from '../../errors.js';
import { formatShape, type Graph, OPSET, type StoredTensor, type Value } from '../graph/graph.js';
import { decodeModel, externalTensor, inputAxes, toGraph } from '../graph/onnx/decode.js';
import { inputInfo } from '../graph/onnx/encode.js';
import type { ExternalData } from '../graph/onnx/model-file.js';
import type { GraphProto } from '../graph/onnx/onnx_pb.js';
import {
  ModelProtoSchema,
  TensorShapeProto_DimensionSchema,
  ValueInfoProtoSchema,
} from '../graph/onnx/onnx_pb.js';
import type { ElementType, Tensor } from '../tensor.js';
import type { Engine } from './contract/engine.js';

const OLDEST_OPSET = 13;

interface PrepareOptions {
  /** Name of the model in error texts. */
  readonly label: string;
  /** Sizes for every input that has open axes. */
  readonly inputShapes: Readonly<Record<string, readonly number[]>>;
  /** Weights outside the model, in memory. */
  readonly externalData?: ExternalData;
  /** Weights outside the model, in files. */
  readonly stored?: ReadonlyMap<string, StoredTensor>;
}

/**
 * Loads any ONNX model as a Graph with static shapes. The given sizes replace the symbolic axes of the inputs; onnxruntime
 * then folds the shape arithmetic that exporters leave behind into constants, and reports the shape of every intermediate.
 *
 * Errors: TRIB_MODEL if the bytes are not a whole model, an input is missing or has different fixed sizes, or a shape stays
 * open.
 */
export async function prepareGraph(
  engine: Engine,
  bytes: Uint8Array,
  { label, inputShapes, externalData = new Map(), stored = new Map() }: PrepareOptions,
): Promise<Graph> {
  const model = decodeModel(bytes, label);
  const opset = Number(
    model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 0n,
  );
  if (opset < OLDEST_OPSET || opset > OPSET) {
    const text = `${label}: expected ONNX opset ${OLDEST_OPSET} to ${OPSET}, got ${opset}. Export the model with opset 17.`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  fixInputSizes(model.graph, inputShapes, label);
  const apart = setApart(model.graph, externalData, stored, label);
  const simplified = await simplify(engine, toBinary(ModelProtoSchema, model), label);
  const types = await intermediateTypes(engine, simplified, label);
  return withWeights(toGraph(simplified, types, label), apart);
}

/**
 * Moves external weights out of a model and puts inputs in their place while onnxruntime analyzes it: shapes do not depend on
 * their values, and nothing is copied.
 */
function setApart(
  graph: GraphProto,
  externalData: ExternalData,
  stored: ReadonlyMap<string, StoredTensor>,
  label: string,
): Map<string, Tensor | StoredTensor> {
  const apart = new Map<string, Tensor | StoredTensor>(stored);
  for (const tensor of graph.initializer) {
    const data = externalData.get(tensor.name);
    if (data) apart.set(tensor.name, externalTensor(tensor, data, `${label} initializer "${tensor.name}"`));
  }
  graph.initializer = graph.initializer.filter(({ name }) => !apart.has(name));
  graph.input = graph.input.filter(({ name }) => !apart.has(name));
  for (const [name, tensor] of apart) graph.input.push(inputInfo({ name, ...tensor }));
  return apart;
}

/** Puts back the weights that were set apart and are still in use. */
function withWeights(graph: Graph, apart: ReadonlyMap<string, Tensor | StoredTensor>): Graph {
  if (apart.size === 0) return graph;
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs.map((input) => input?.name)));
  const initializers = new Map(graph.initializers);
  const stored = new Map(graph.stored);
  for (const [name, tensor] of apart) {
    if (!used.has(name)) continue;
    if ('data' in tensor) initializers.set(name, tensor);
    else stored.set(name, tensor);
  }
  return { ...graph, inputs: graph.inputs.filter(({ name }) => !apart.has(name)), initializers, stored };
}

/**
 * onnxruntime expands operators that it defines by others (GroupNormalization) only after it has folded constants. The
 * expansion brings shape arithmetic of its own, which a second pass folds.
 */
async function simplify(engine: Engine, bytes: Uint8Array, label: string) {
  const once = await engine.simplify(bytes, label);
  const model = decodeModel(once, label);
  if (!model.graph.node.some((node) => node.opType === 'Shape')) return model;
  return decodeModel(await engine.simplify(once, label), label);
}

function fixInputSizes(graph: GraphProto, inputShapes: PrepareOptions['inputShapes'], label: string): void {
  const axes = inputAxes({ graph });
  const initializers = new Set(graph.initializer.map(({ name }) => name));
  for (const [name, shape] of Object.entries(inputShapes)) {
    const declared = axes.get(name);
    if (declared === undefined) {
      const text = `${label}: expected an input "${name}", got inputs ${[...axes.keys()].join(', ')}. Export the model in the layout that optimum writes.`;
      throw new TributaryError('TRIB_MODEL', text);
    }
    const fits =
      declared.length === shape.length &&
      declared.every((size, axis) => typeof size === 'string' || size === shape[axis]);
    if (!fits) {
      const text = `${label} input "${name}": expected sizes ${formatShape(shape)}, got [${declared.join(', ')}]. Choose sizes that fit the model.`;
      throw new TributaryError('TRIB_MODEL', text);
    }
  }
  for (const [name, declared] of axes) {
    const open = declared.filter((size) => typeof size === 'string');
    if (open.length > 0 && inputShapes[name] === undefined) {
      const text = `${label} input "${name}": expected fixed sizes, got [${declared.join(', ')}]. Give a size for ${open.join(', ')}.`;
      throw new TributaryError('TRIB_MODEL', text);
    }
  }
  for (const input of graph.input) {
    const shape = inputShapes[input.name];
    const type = input.type?.value;
    if (shape === undefined || initializers.has(input.name)) continue;
    if (type?.case !== 'tensorType' || type.value.shape === undefined) continue;
    type.value.shape.dim = shape.map((size) =>
      create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(size) } }),
    );
  }
  // Declared sizes of outputs and intermediates refer to the open axes; they are inferred again.
  graph.valueInfo = [];
  for (const output of graph.output) {
    const type = output.type?.value;
    if (type?.case === 'tensorType') delete type.value.shape;
  }
}

/** Declares every intermediate as an output, and asks the engine for their types. */
export async function intermediateTypes(
  engine: Engine,
  model: ReturnType<typeof decodeModel>,
  label: string,
): Promise<Map<string, Value>> {
  const outputs = new Set(model.graph.output.map(({ name }) => name));
  const names = model.graph.node
    .flatMap((node) => node.output)
    .filter((name) => name !== '' && !outputs.has(name));
  const output = [...model.graph.output, ...names.map((name) => create(ValueInfoProtoSchema, { name }))];
  const exposed = { ...model, graph: { ...model.graph, output } };
  const outputPorts = await engine.outputPorts(toBinary(ModelProtoSchema, exposed), label);
  return new Map(
    outputPorts.map(({ name, type, shape }) => {
      if (shape.some((size) => typeof size !== 'number' || size < 0)) {
        const text = `${label} value "${name}": expected a fixed shape, got [${shape.join(', ')}]. Export the model without data-dependent shapes.`;
        throw new TributaryError('TRIB_MODEL', text);
      }
      return [name, { name, type: type as ElementType, shape: shape as number[] }];
    }),
  );
}
