/** @file Gradient of nearest-neighbor upsampling. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import type { Node } from '../graph/graph.js';
import { formatShape, textAttribute } from '../graph/graph.js';
import { unary } from './rule.js';

/** Each element is repeated in a block of whole size: dx sums dy over the blocks. */
export const resizeRule = unary(({ node, dy, x }) => {
  const factors = x.shape.map((size, axis) => at(dy.shape, axis) / size);
  if (!x.shape.every((size, axis) => repeatsWholeBlocks(node, size, at(factors, axis)))) {
    throw new TributaryError(
      'TRIB_NO_GRADIENT',
      `Resize "${node.name}": expected nearest-neighbor upsampling that repeats every element equally often, got ${describe(node)} from ${formatShape(x.shape)} to ${formatShape(dy.shape)}. Export the model with whole scale factors, mode nearest, coordinates asymmetric and rounding floor.`,
    );
  }
  const blocks = dy.reshape(x.shape.flatMap((size, axis) => [size, at(factors, axis)]));
  const inner = factors.flatMap((factor, axis) => (factor === 1 ? [] : [2 * axis + 1]));
  return (inner.length > 0 ? blocks.reduceSum(inner) : blocks).reshape(x.shape);
});

const coordinates = (node: Node) => textAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
const rounding = (node: Node) => textAttribute(node, 'nearest_mode', 'round_prefer_floor');
const describe = (node: Node) =>
  `mode ${textAttribute(node, 'mode', 'nearest')}, coordinates ${coordinates(node)}, rounding ${rounding(node)}`;

/** Whether output i of an axis is a copy of input ⌊i / factor⌋ for all i, by ONNX's formulas for the source of an output. */
function repeatsWholeBlocks(node: Node, size: number, factor: number): boolean {
  if (factor === 1) return true;
  if (textAttribute(node, 'mode', 'nearest') !== 'nearest' || !Number.isInteger(factor)) return false;
  return Array.from({ length: size * factor }, (_, i) => i).every((i) => {
    const source = rounded(node, sourceOf(node, i, size, factor));
    return Math.min(Math.max(source, 0), size - 1) === Math.floor(i / factor);
  });
}

function sourceOf(node: Node, i: number, size: number, factor: number): number {
  switch (coordinates(node)) {
    case 'asymmetric':
      return i / factor;
    case 'align_corners':
      return (i * (size - 1)) / (size * factor - 1);
    case 'half_pixel':
    case 'half_pixel_symmetric':
    case 'pytorch_half_pixel':
      return (i + 0.5) / factor - 0.5;
    default:
      return Number.NaN;
  }
}

function rounded(node: Node, position: number): number {
  switch (rounding(node)) {
    case 'floor':
      return Math.floor(position);
    case 'ceil':
      return Math.ceil(position);
    case 'round_prefer_ceil':
      return Math.floor(position + 0.5);
    default:
      return Math.ceil(position - 0.5);
  }
}
