/**
 * @file Full fine-tuning by graph surgery: the weights of a network become inputs of its graph, in the shapes and under the
 * names that PyTorch gives them. A policy is then a set of feeds, as with an adapter.
 */

import { TributaryError } from '../../../errors.js';
import { readPart } from '../../files/read-bytes.js';
import { decodeFloat16 } from '../../numeric/float16.js';
import { ELEMENT_BYTES, elementCount, float32Data, type Tensor } from '../../tensor.js';
import { type Graph, intAttribute, type Node, type StoredTensor, type Value } from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';
import { layerName } from './lora.js';

/** A weight that is an input. */
export interface FreeWeight {
  /** As PyTorch has it, such as `mid_block.resnets.0.conv1.weight`. */
  readonly name: string;
  /** The graph's input. */
  readonly input: string;
  /** PyTorch's: [out, in] for a linear layer, [C] for a norm. */
  readonly shape: readonly number[];
  /** What the network has, in this shape. */
  readonly initial: Float32Array;
}

export interface FreedGraph {
  readonly graph: Graph;
  readonly weights: readonly FreeWeight[];
}

function numbersOf(tensor: Tensor | StoredTensor): Float32Array {
  if ('data' in tensor) return float32Data(tensor, 'a weight');
  const { folder, location, offset, shape, inFile = 'float32' } = tensor;
  const bytes = readPart(folder, location, offset, elementCount(shape) * ELEMENT_BYTES[inFile]);
  return inFile === 'float16' ? decodeFloat16(new Uint16Array(bytes.buffer)) : new Float32Array(bytes.buffer);
}

/** How a constant of the graph is named and lies in PyTorch. */
interface NamedWeight {
  readonly name: string;
  readonly isTransposed: boolean;
}

/** Most weights that are trained, and the bytes that each takes: itself, gradient, moments, and copies of them on the way. */
const MOST_WEIGHTS = 100_000_000;
const BYTES_A_WEIGHT = 60;

/**
 * Makes every weight of a graph an input: constants that are named as PyTorch names parameters (`<module>.weight`, `.bias`),
 * and matrices and kernels of layers whatever their names. Other constants, and weights that an exporter has named anew, stay.
 * @throws TRIB_MODEL when there are none, or more than fit into the memory of one machine.
 */
export function freeWeights(graph: Graph, label: string, component: string): FreedGraph {
  const constants = new Map<string, Tensor | StoredTensor>([...graph.initializers, ...graph.stored]);
  const named = namedWeights(graph, constants);
  requireNumber(
    [...named.keys()].map((name) => constants.get(name)),
    label,
  );
  const without = <T>(all: ReadonlyMap<string, T>) => new Map([...all].filter(([name]) => !named.has(name)));
  const kept = { initializers: without(graph.initializers), stored: without(graph.stored) };
  const g = GraphBuilder.from({ ...graph, nodes: [], outputs: [], ...kept });
  const weights: FreeWeight[] = [];
  const values = new Map<string, Value>();
  for (const [constant, { name, isTransposed }] of named) {
    const tensor = constants.get(constant) as Tensor | StoredTensor;
    const { shape } = tensor;
    const data = numbersOf(tensor);
    const [first = 1, second = 1] = shape;
    const isPerChannel = shape.length === 3;
    const plain = isTransposed ? [second, first] : isPerChannel ? [first] : shape;
    const input = g.input(`${component}.${name}`, 'float32', plain);
    const initial = isTransposed ? transposed(data, first, second) : data.slice();
    weights.push({ name, input: input.name, shape: plain, initial });
    const value = g.scoped(`weights/${name}`, () => {
      if (isTransposed) return input.transpose([1, 0]);
      return isPerChannel ? input.reshape(shape) : input;
    });
    values.set(constant, value);
  }
  const current = (value: Value | undefined) => value && (values.get(value.name) ?? value);
  for (const node of graph.nodes) g.append({ ...node, inputs: node.inputs.map(current) });
  for (const output of graph.outputs) g.output(output);
  return { graph: g.build(), weights };
}

/** The weights, by the name of their constant. A nameless one that several nodes use could not be found again. */
function namedWeights(
  graph: Graph,
  constants: ReadonlyMap<string, Tensor | StoredTensor>,
): Map<string, NamedWeight> {
  const users = new Map<string, { readonly node: Node; readonly index: number }[]>();
  for (const node of graph.nodes) {
    for (const [index, input] of node.inputs.entries()) {
      if (input) users.set(input.name, [...(users.get(input.name) ?? []), { node, index }]);
    }
  }
  const named = new Map<string, NamedWeight>();
  for (const [constant, { type, shape }] of constants) {
    const [first, ...others] = users.get(constant) ?? [];
    if (type !== 'float32' || !first) continue;
    const isLayer = first.index === 1 && ['MatMul', 'Gemm', 'Conv'].includes(first.node.op);
    const isMatrix = isLayer && shape.length === 2;
    const isTransposed = isMatrix && intAttribute(first.node, 'transB', 0) === 0;
    if (/\.(weight|bias)$/.test(constant)) named.set(constant, { name: constant, isTransposed });
    else if (others.length === 0 && (isMatrix || (isLayer && shape.length === 4)))
      named.set(constant, { name: `${layerName(first.node.name)}.weight`, isTransposed });
  }
  return named;
}

function requireNumber(weights: readonly (Tensor | StoredTensor | undefined)[], label: string): void {
  const number = weights.reduce((sum, weight) => sum + elementCount(weight?.shape ?? []), 0);
  if (number > 0 && number <= MOST_WEIGHTS) return;
  const nextStep = 'Set model.train: adapter, which trains a LoRA adapter of some million weights.';
  const millions = (count: number) => `${(count / 1e6).toPrecision(3)} million`;
  const got =
    number === 0
      ? 'none'
      : `${millions(number)}, which would take about ${Math.round((number * BYTES_A_WEIGHT) / 1e9)} GB of memory`;
  throw new TributaryError(
    'TRIB_MODEL',
    `${label}: expected at most ${millions(MOST_WEIGHTS)} weights to train in full, got ${got}. ${nextStep}`,
  );
}

/** [rows, columns] -> [columns, rows]. */
function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      result[column * rows + row] = matrix[row * columns + column]!;
  }
  return result;
}
