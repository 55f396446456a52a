/**
 * @file Makes an integer input float32 if the model only moves its elements and casts them to float32. WebGPU has no 64-bit
 * integers, so the cast would be the only node of a UNet that runs on the CPU.
 */

import { type Graph, intAttribute, type Node, type Value } from '../graph.js';
import { elementCode } from '../onnx/element-codes.js';

/** Operators that only move the elements of their first input, whatever their type. */
const MOVEMENTS = new Set([
  'Expand',
  'Flatten',
  'Identity',
  'Reshape',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
]);

/**
 * Returns the same function with a float32 input, which holds integers up to 2^24 exactly. The graph is returned unchanged if
 * its input is not an integer, or it computes with it as an integer.
 */
export function withFloatInput(graph: Graph, name: string): Graph {
  const input = graph.inputs.find((candidate) => candidate.name === name);
  if (!input || !isInteger(input)) return graph;
  /** Replacements for the input and for what was moved or cast from it. */
  const floats = new Map<string, Value>([[name, { ...input, type: 'float32' }]]);
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => value && (floats.get(value.name) ?? value));
    const [source] = inputs;
    const [output] = node.outputs;
    const isReplaced = (value: Value | undefined) =>
      value !== undefined && isInteger(value) && floats.has(value.name);
    if (!node.inputs.some(isReplaced)) {
      nodes.push({ ...node, inputs });
    } else if (!source || !output || !isReplaced(node.inputs[0]) || node.inputs.slice(1).some(isReplaced)) {
      return graph;
    } else if (node.op === 'Cast' && keepsWholeNumbers(node)) {
      floats.set(output.name, source);
    } else if (MOVEMENTS.has(node.op)) {
      const moved = { ...output, type: 'float32' } as const;
      floats.set(output.name, moved);
      nodes.push({ ...node, inputs, outputs: [moved] });
    } else {
      return graph;
    }
  }
  if (graph.outputs.some((output) => floats.has(output.name))) return graph;
  return { ...graph, inputs: graph.inputs.map((value) => floats.get(value.name) ?? value), nodes };
}

const isInteger = ({ type }: Value) => type === 'int64' || type === 'int32';

function keepsWholeNumbers(node: Node): boolean {
  const to = intAttribute(node, 'to', 0);
  return (['float32', 'int64', 'int32'] as const).some((type) => elementCode(type) === to);
}
