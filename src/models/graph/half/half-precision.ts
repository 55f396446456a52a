/**
 * @file Converts a graph from single to half precision: the same function up to rounding. It is the last pass, over a graph that
 * includes the backward pass, so that both passes compute alike and gradient rules only deal with one type.
 *
 * Where half precision begins and ends: a forward pass is in half precision from its first matrix product or convolution to its
 * last. The sines of a timestep, and what follows the network (guidance, the step's log-prob, the loss), stay in single.
 * In between, `op-names.ts` decides by operator. A derivative is computed like its operator, so the gradient of a
 * normalization or a softmax is in single precision throughout.
 *
 * What half precision cannot hold: activations beyond 65504 become infinite and the loss NaN, which ends a run. Attention is
 * the likeliest place, and `scaleBeforeProduct` prevents it. Gradients below 6e-8 become zero: the caller scales the loss before
 * it is differentiated (see `gradients`), and checks for gradients that are not finite.
 */

import { at } from '../../../at.js';
import { type Graph, int, intAttribute, type Node, type Value } from '../graph.js';
import { elementCode } from '../onnx/element-codes.js';
import { isOpName, OPERATORS } from '../op-names.js';
import { GraphBuilder } from '../ops/builder.js';
import { fitsHalf, type HalfConstants } from './half-constants.js';

/**
 * Returns the graph with weights and activations in float16; inputs and outputs stay float32. A value is cast at most once in
 * each direction. `isNetwork` says whether a node of the forward pass may compute in half precision; by default all may.
 *
 * If the forward pass has a value in both types, the backward pass reads the half-precision one: keeping a second copy of
 * every attention map would cost more memory than half precision saves.
 *
 * Errors: TRIB_MODEL if a weight is beyond 65504.
 */
export function toHalfPrecision(
  graph: Graph,
  {
    constants,
    isNetwork = () => true,
  }: { readonly constants: HalfConstants; readonly isNetwork?: (node: Node) => boolean },
): Graph {
  const network = graph.nodes.filter((node) => node.forward === undefined && isNetwork(node));
  const halves = forwardHalves(graph, network);
  const writer = new PrecisionWriter(graph, constants);
  for (const node of graph.nodes) {
    const root = rootOf(node);
    if (halves.has(root) && (root === node || mayBeHalf(node, graph))) writer.half(node);
    else writer.single(node);
  }
  for (const output of graph.outputs) writer.g.output(writer.singleOf(output, false));
  return writer.g.build();
}

/** The node of the forward pass that a node belongs to. */
function rootOf(node: Node): Node {
  return node.forward ? rootOf(node.forward) : node;
}

/** Unknown operators and onnxruntime's fused ones stay in single precision. */
const halfKind = ({ op, domain }: Node) => (domain === '' && isOpName(op) ? OPERATORS[op] : 'single');

/** Whether an input of an operator in half precision is in half precision too. The scales of a Resize never are. */
const isHalfInput = ({ op }: Node, index: number) => op !== 'Resize' || index === 0;

/** Whether the operator and its constants allow half precision. */
function mayBeHalf(node: Node, { initializers }: Graph): boolean {
  const kind = halfKind(node);
  if (kind !== 'half') return kind === 'product';
  return node.inputs.every((input, index) => {
    const constant = input && isHalfInput(node, index) ? initializers.get(input.name) : undefined;
    return constant === undefined || fitsHalf(constant);
  });
}

/** The nodes of a forward pass that compute in half precision: those that may, from its first product to its last. */
function forwardHalves(graph: Graph, nodes: readonly Node[]): ReadonlySet<Node> {
  const isProduct = (node: Node) => halfKind(node) === 'product';
  const behind = new Set<string>();
  for (const node of nodes) {
    if (isProduct(node) || node.inputs.some((input) => input && behind.has(input.name)))
      for (const { name } of node.outputs) behind.add(name);
  }
  const before = new Set<string>();
  for (const node of nodes.toReversed()) {
    if (isProduct(node) || node.outputs.some(({ name }) => before.has(name)))
      for (const input of node.inputs) if (input) before.add(input.name);
  }
  const isBetween = ({ inputs, outputs }: Node) =>
    inputs.some((input) => input && behind.has(input.name)) && outputs.some(({ name }) => before.has(name));
  return new Set(nodes.filter((node) => (isProduct(node) || isBetween(node)) && mayBeHalf(node, graph)));
}

/** Writes nodes of one graph into another, in half or single precision, with the casts in between. */
class PrecisionWriter {
  readonly g: GraphBuilder;
  readonly #graph: Graph;
  readonly #constants: HalfConstants;
  /** Values in half and in single precision, by their names in the original graph. */
  readonly #halves = new Map<string, Value>();
  readonly #singles = new Map<string, Value>();
  /** Outputs of the forward pass in single precision. */
  readonly #made = new Set<string>();
  /** Values of the forward pass that are kept in half precision for the backward pass. */
  readonly #kept = new Set<string>();
  /** Kept values that were cast back to single precision for the backward pass. */
  readonly #restored = new Map<string, Value>();

  constructor(graph: Graph, constants: HalfConstants) {
    this.g = GraphBuilder.from({ ...graph, nodes: [], outputs: [], stored: new Map() });
    this.#graph = graph;
    this.#constants = constants;
  }

  single(node: Node): void {
    const isBackward = node.forward !== undefined;
    const inputs = node.inputs.map((input) => input && this.singleOf(input, isBackward));
    this.g.append({ ...node, inputs });
    for (const output of node.outputs) {
      this.#singles.set(output.name, output);
      if (!isBackward) this.#made.add(output.name);
    }
  }

  half(node: Node): void {
    const isOutput = (name: string) => this.#graph.outputs.some((output) => output.name === name);
    const inputs = node.inputs.map(
      (input, index) =>
        input && (isHalfInput(node, index) ? this.#halfOf(input) : this.singleOf(input, false)),
    );
    const outputs = node.outputs.map((output): Value => {
      if (output.type !== 'float32') return output;
      const name = isOutput(output.name) ? `${output.name}_float16` : output.name;
      return { ...output, name, type: 'float16' };
    });
    this.g.append({ ...retype(node), inputs, outputs });
    for (const [index, { name, type }] of node.outputs.entries()) {
      if (type !== 'float32') continue;
      const half = at(outputs, index);
      this.#halves.set(name, half);
      if (isOutput(name)) this.#singles.set(name, this.#cast(half, 'float32', name));
    }
    if (node.forward !== undefined) return;
    for (const { name } of node.outputs) this.#kept.add(name);
    for (const input of node.inputs) if (input && this.#made.has(input.name)) this.#kept.add(input.name);
  }

  /** The single-precision form of a value of the original graph. */
  singleOf(value: Value, isBackward: boolean): Value {
    const { name } = value;
    const half = this.#halves.get(name);
    if (isBackward && half && this.#kept.has(name)) {
      const restored = this.#restored.get(name) ?? this.#cast(half, 'float32', `${name}_restored`);
      this.#restored.set(name, restored);
      return restored;
    }
    const single = this.#singles.get(name) ?? this.#newSingle(value, half);
    this.#singles.set(name, single);
    return single;
  }

  #newSingle(value: Value, half: Value | undefined): Value {
    const { name } = value;
    const stored = this.#graph.stored.get(name);
    if (stored && stored.inFile === undefined) return this.g.stored(name, stored);
    if (stored) return this.#cast(this.#halfOf(value), 'float32', `${name}_float32`);
    const exists = half === undefined || this.#graph.initializers.has(name);
    return exists ? value : this.#cast(half, 'float32', `${name}_float32`);
  }

  #halfOf(value: Value): Value {
    const { name, type } = value;
    if (type !== 'float32') return value;
    const half =
      this.#halves.get(name) ??
      this.#halfConstant(name) ??
      this.#cast(this.#singles.get(name) ?? value, 'float16', `${name}_float16`);
    this.#halves.set(name, half);
    return half;
  }

  #halfConstant(name: string): Value | undefined {
    const constant = this.#graph.initializers.get(name) ?? this.#graph.stored.get(name);
    if (!constant) return undefined;
    const half = this.#constants(name, constant);
    const halfName = `${name}_float16`;
    return 'data' in half ? this.g.initializer(halfName, half) : this.g.stored(halfName, half);
  }

  #cast(value: Value, type: 'float16' | 'float32', name: string): Value {
    const output: Value = { ...value, name, type };
    const attributes = { to: int(elementCode(type)) };
    const node = { op: 'Cast', domain: '', inputs: [value], outputs: [output], attributes };
    this.g.append({ name: `${name}/Cast`, ...node });
    return output;
  }
}

/** Turns a cast to float32 into one to float16, even if its input is float16 already. */
function retype(node: Node): Node {
  const isToFloat = node.op === 'Cast' && intAttribute(node, 'to', 0) === elementCode('float32');
  return isToFloat ? { ...node, attributes: { to: int(elementCode('float16')) } } : node;
}
