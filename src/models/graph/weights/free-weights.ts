/**
 * @file Full fine-tuning by graph surgery: the weights of a network become inputs of its graph, with PyTorch's shapes and names.
 * A policy is then a set of feeds, as with an adapter.
 */

import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { readPart } from '../../files/read-bytes.js';
import { decodeBfloat16, decodeFloat16 } from '../../numeric/float16.js';
import { elementCount, float32Data, type Tensor } from '../../tensor.js';
import { type Graph, intAttribute, type Node, type StoredTensor, type Value } from '../graph.js';
import { STORED_BYTES } from '../onnx/element-codes.js';
import { GraphBuilder } from '../ops/builder.js';
import { layerName } from './lora.js';
import { transpose } from './weight-change.js';

export interface FreeWeight {
  /** PyTorch's name, such as `mid_block.resnets.0.conv1.weight`. */
  readonly name: string;
  readonly input: string;
  /** PyTorch's shape: [out, in] for a linear layer, [C] for a norm. */
  readonly shape: readonly number[];
  /** The network's own values, in this shape. */
  readonly initial: Float32Array;
}

/** The numbers of a constant, in memory or in its file. */
export function numbersOf(tensor: Tensor | StoredTensor): Float32Array {
  if ('data' in tensor) return float32Data(tensor, 'a weight');
  const { folder, location, offset, shape, inFile = 'float32' } = tensor;
  const { buffer } = readPart(folder, location, offset, elementCount(shape) * STORED_BYTES[inFile]);
  if (inFile === 'float32') return new Float32Array(buffer);
  const bits = new Uint16Array(buffer);
  return inFile === 'float16' ? decodeFloat16(bits) : decodeBfloat16(bits);
}

/** PyTorch's name of a constant, and whether its layout is transposed there. */
export interface NamedWeight {
  readonly name: string;
  readonly isTransposed: boolean;
}

/** Largest number of weights to train, and the bytes for each: itself, gradient, moments, and temporary copies of them. */
const MAX_WEIGHTS = 100_000_000;
const BYTES_PER_WEIGHT = 60;

/**
 * Makes every weight of a graph an input: constants named like PyTorch's parameters (`<module>.weight`, `.bias`), and the
 * matrices and kernels of layers, whatever their names. Other constants, and weights that an exporter renamed, stay.
 *
 * Errors: TRIB_MODEL if there are none, or more than fit into the memory of one machine.
 */
export function freeWeights(
  graph: Graph,
  label: string,
  component: string,
): { readonly graph: Graph; readonly weights: readonly FreeWeight[] } {
  const constants = new Map<string, Tensor | StoredTensor>([...graph.initializers, ...graph.stored]);
  const constantOf = (name: string) => constants.get(name) as Tensor | StoredTensor;
  const named = namedWeights(graph, constants);
  requireCount(
    [...named.keys()].reduce((sum, name) => sum + elementCount(constantOf(name).shape), 0),
    label,
  );
  const without = <T>(all: ReadonlyMap<string, T>) => new Map([...all].filter(([name]) => !named.has(name)));
  const kept = { initializers: without(graph.initializers), stored: without(graph.stored) };
  const g = GraphBuilder.from({ ...graph, nodes: [], outputs: [], ...kept });
  const weights: FreeWeight[] = [];
  const values = new Map<string, Value>();
  for (const [constant, { name, isTransposed }] of named) {
    const tensor = constantOf(constant);
    const { shape } = tensor;
    const data = numbersOf(tensor);
    const isPerChannel = shape.length === 3;
    const plain = isTransposed ? shape.toReversed() : isPerChannel ? shape.slice(0, 1) : shape;
    const input = g.input(`${component}.${name}`, 'float32', plain);
    const initial = isTransposed ? transpose(data, at(shape, 0), at(shape, 1)) : data.slice();
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

/** The weights by the name of their constant, except unnamed ones that several nodes use: they could not be found again. */
export function namedWeights(
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

function requireCount(count: number, label: string): void {
  if (count > 0 && count <= MAX_WEIGHTS) return;
  const nextStep = 'Set model.train: adapter, which trains a LoRA adapter of a few million weights.';
  const millions = (number: number) => `${(number / 1e6).toPrecision(3)} million`;
  const got =
    count === 0
      ? 'none'
      : `${millions(count)}, which would take about ${Math.round((count * BYTES_PER_WEIGHT) / 1e9)} GB of memory`;
  throw new TributaryError(
    'TRIB_MODEL',
    `${label}: expected at most ${millions(MAX_WEIGHTS)} weights to train in full, got ${got}. ${nextStep}`,
  );
}
