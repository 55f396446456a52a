/** @file Upgrades nodes of older operator sets (13 to 19) to the one used here. */

import { at } from '../../../at.js';
import { int64, type Tensor } from '../../tensor.js';
import { positiveAxis } from '../application.js';
import { intAttribute, intsAttribute, type Node, type Value } from '../graph.js';

const AXES_BECAME_AN_INPUT = new Set([
  'ReduceL1',
  'ReduceL2',
  'ReduceLogSum',
  'ReduceLogSumExp',
  'ReduceMax',
  'ReduceMean',
  'ReduceMin',
  'ReduceProd',
  'ReduceSum',
  'ReduceSumSquare',
  'Squeeze',
  'Unsqueeze',
]);

/** Returns the node with axes and split sizes as inputs. Adds new constants to `initializers`. */
export function upgradeNode(node: Node, initializers: Map<string, Tensor>): Node {
  if (node.domain !== '') return node;
  const addInput = (suffix: string, numbers: readonly number[]): Value => {
    const name = `${node.name}_${suffix}`;
    const tensor = int64(numbers);
    initializers.set(name, tensor);
    return { name, type: tensor.type, shape: tensor.shape };
  };
  const axes = intsAttribute(node, 'axes');
  if (AXES_BECAME_AN_INPUT.has(node.op) && axes) {
    const { axes: _, ...attributes } = node.attributes;
    return { ...node, inputs: [node.inputs[0], addInput('axes', axes)], attributes };
  }
  const whole = node.inputs[0];
  if (node.op === 'Split' && node.inputs.length === 1 && whole && node.attributes.num_outputs === undefined) {
    const axis = positiveAxis(intAttribute(node, 'axis', 0), whole.shape.length);
    const sizes = node.outputs.map((output) => at(output.shape, axis));
    return { ...node, inputs: [whole, addInput('sizes', sizes)] };
  }
  return node;
}
