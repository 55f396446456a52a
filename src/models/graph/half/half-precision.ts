/**
 * @file A graph in half precision, made of one in single precision: the same function up to rounding. Made last, of a graph
 * with its backward pass in it, so that both passes compute alike and gradients have rules for one type alone.
 *
 * Where half precision begins and ends. A forward pass is in half from its first matrix product or convolution to its last:
 * sines of a timestep, and what is done with the output (guidance, the step's log-prob, the loss), stay in single. Between
 * them `half-operators.ts` decides by the operator. The derivative of an operator is computed as the operator is, so that
 * the gradient of a normalization or a softmax is in single throughout.
 *
 * What half precision cannot hold. Activations beyond 65504 become infinite and the loss is then no number, which ends a
 * run; attention is the likeliest place, and `scaleBeforeProduct` takes care of it. Gradients below 6e-8 become zero: the
 * caller multiplies the loss that is differentiated (see `gradients`), and looks for gradients that are not finite.
 */

import type { Graph, Node, Value } from '../graph.js';
import { int, intAttribute } from '../graph.js';
import { elementCode } from '../onnx/element-codes.js';
import { GraphBuilder } from '../ops/builder.js';
import { fitsHalf, type HalfConstants } from './half-constants.js';
import { halfKind, isHalfInput } from './half-operators.js';

export interface HalfPrecisionOptions {
  readonly constants: HalfConstants;
  /** Whether a node of the forward pass may compute in half precision; default all may. */
  readonly isNetwork?: (node: Node) => boolean;
}

/**
 * Returns the graph with weights and activations in float16. Inputs and outputs stay float32. Casts stand where a value goes
 * from one type to the other, one for each value and direction.
 *
 * What the backward pass reads of the forward pass is kept in half precision wherever the forward pass has it in both: a
 * second copy of every attention map would cost more than half precision saves.
 *
 * @throws TRIB_MODEL where a weight is beyond 65504.
 */
export function inHalfPrecision(
  graph: Graph,
  { constants, isNetwork = () => true }: HalfPrecisionOptions,
): Graph {
  const halves = forwardHalves(
    graph,
    graph.nodes.filter((node) => node.forward === undefined && isNetwork(node)),
  );
  const writer = createWriter(graph, constants);
  for (const node of graph.nodes) {
    const root = rootOf(node);
    const isHalf = halves.has(root) && (root === node || mayBeHalf(node, graph));
    if (isHalf) writer.half(node);
    else writer.single(node);
  }
  for (const output of graph.outputs) writer.g.output(writer.singleOf(output, false));
  return writer.g.build();
}

/** The node of the forward pass that a node belongs to. */
function rootOf(node: Node): Node {
  return node.forward ? rootOf(node.forward) : node;
}

/** Whether operator and constants allow half precision. */
function mayBeHalf(node: Node, { initializers }: Graph): boolean {
  const kind = halfKind(node);
  if (kind !== 'half') return kind === 'product';
  return node.inputs.every((input, index) => {
    const constant = input && isHalfInput(node, index) ? initializers.get(input.name) : undefined;
    return constant === undefined || fitsHalf(constant);
  });
}

/** Those nodes of a forward pass that compute in half: between its first product and its last, where they may. */
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

/** Writes nodes of one graph into another, in either type, and what they need in between. */
function createWriter(graph: Graph, constants: HalfConstants) {
  const g = GraphBuilder.from({ ...graph, nodes: [], outputs: [], stored: new Map() });
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  /** Values by their names in the original graph, in the types in which they are there. */
  const [halves, singles] = [new Map<string, Value>(), new Map<string, Value>()];
  /** What the forward pass has made, and that part of it which it has in half precision. */
  const [made, kept] = [new Set<string>(), new Set<string>()];
  /** In single precision once more, for the backward pass. */
  const restored = new Map<string, Value>();

  const cast = (value: Value, type: 'float16' | 'float32', name: string): Value => {
    const output: Value = { ...value, name, type };
    const attributes = { to: int(elementCode(type)) };
    g.append({
      name: `${name}/Cast`,
      op: 'Cast',
      domain: '',
      inputs: [value],
      outputs: [output],
      attributes,
    });
    return output;
  };

  const halfConstant = (name: string): Value | undefined => {
    const constant = graph.initializers.get(name) ?? graph.stored.get(name);
    if (!constant) return undefined;
    const half = constants(name, constant);
    return 'data' in half ? g.initializer(`${name}_float16`, half) : g.stored(`${name}_float16`, half);
  };

  const halfOf = (value: Value): Value => {
    if (value.type !== 'float32') return value;
    const half =
      halves.get(value.name) ??
      halfConstant(value.name) ??
      cast(singles.get(value.name) ?? value, 'float16', `${value.name}_float16`);
    halves.set(value.name, half);
    return half;
  };

  const singleOf = (value: Value, isBackward: boolean): Value => {
    const half = halves.get(value.name);
    if (isBackward && half && kept.has(value.name)) {
      const again = restored.get(value.name) ?? cast(half, 'float32', `${value.name}_restored`);
      restored.set(value.name, again);
      return again;
    }
    const single = singles.get(value.name) ?? firstSingleOf(value, half);
    singles.set(value.name, single);
    return single;
  };

  const firstSingleOf = (value: Value, half: Value | undefined): Value => {
    const stored = graph.stored.get(value.name);
    if (stored && stored.inFile === undefined) return g.stored(value.name, stored);
    if (stored) return cast(halfOf(value), 'float32', `${value.name}_float32`);
    const isThere = half === undefined || graph.initializers.has(value.name);
    return isThere ? value : cast(half, 'float32', `${value.name}_float32`);
  };

  return {
    g,
    singleOf,
    single(node: Node): void {
      const isBackward = node.forward !== undefined;
      g.append({ ...node, inputs: node.inputs.map((input) => input && singleOf(input, isBackward)) });
      for (const output of node.outputs) {
        singles.set(output.name, output);
        if (!isBackward) made.add(output.name);
      }
    },
    half(node: Node): void {
      const inputs = node.inputs.map((input, index) =>
        input && isHalfInput(node, index) ? halfOf(input) : input && singleOf(input, false),
      );
      const ofHalf = node.outputs.map((output): Value => {
        if (output.type !== 'float32') return output;
        const name = outputs.has(output.name) ? `${output.name}_float16` : output.name;
        return { ...output, name, type: 'float16' };
      });
      g.append({ ...retyped(node), inputs, outputs: ofHalf });
      for (const [index, { name, type }] of node.outputs.entries()) {
        const half = ofHalf[index];
        if (!half || type !== 'float32') continue;
        halves.set(name, half);
        if (outputs.has(name)) singles.set(name, cast(half, 'float32', name));
      }
      if (node.forward !== undefined) return;
      for (const { name } of node.outputs) kept.add(name);
      for (const input of node.inputs) if (input && made.has(input.name)) kept.add(input.name);
    },
  };
}

/** A cast to float32 becomes one to float16; one of what is that already is kept, as it does no harm. */
function retyped(node: Node): Node {
  const isToFloat = node.op === 'Cast' && intAttribute(node, 'to', 0) === elementCode('float32');
  return isToFloat ? { ...node, attributes: { to: int(elementCode('float16')) } } : node;
}
