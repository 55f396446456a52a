/**
 * @file An integer input that a model only moves about and casts to float32, taken as float32 from the start. WebGPU has
 * no 64-bit integers: such a cast would be left to the CPU, the one node of a UNet that is.
 */

import type { Graph, Node, Value } from '../graph.js';
import { intAttribute } from '../graph.js';
import { elementCode } from '../onnx/element-codes.js';

/** Operators that give the elements of their first input elsewhere, whatever the type. */
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
 * The same function of an input that is float32: whole numbers up to 2^24 are the same there. A graph whose input is no
 * integer, or is computed with as an integer, is returned as it is.
 */
export function withFloatInput(graph: Graph, name: string): Graph {
  const input = graph.inputs.find((candidate) => candidate.name === name);
  if (!input || !isInteger(input)) return graph;
  /** What stands in the place of the input and of what was moved or cast from it. */
  const floats = new Map<string, Value>([[name, { ...input, type: 'float32' }]]);
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => value && (floats.get(value.name) ?? value));
    const [source] = inputs;
    const [output] = node.outputs;
    const isTaken = (value: Value | undefined) =>
      value !== undefined && isInteger(value) && floats.has(value.name);
    if (!node.inputs.some(isTaken)) {
      nodes.push({ ...node, inputs });
    } else if (!source || !output || !isTaken(node.inputs[0]) || node.inputs.slice(1).some(isTaken)) {
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
