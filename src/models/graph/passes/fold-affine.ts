/**
 * @file The scale and the bias of a normalization, folded into the linear layer that alone reads it:
 * (n s + b) W + c = n (diag(s) W) + (b W + c). Two passes over the elements forward and one backward become products of
 * constants, which a runtime folds. Between the two, a picture may become tokens. Matrices that stay in their file, and
 * those with an adapter beside them, are left alone.
 */

import { at } from '../../../at.js';
import { elementCount } from '../../tensor.js';
import { type Graph, intsAttribute, type Value } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import type { Expression } from '../ops/expression.js';
import { type GraphView, rewriteGraph } from './rewrite.js';

interface Affine {
  /** n, in the form in which the layer reads it. */
  readonly normalized: () => Expression;
  readonly scale: Value;
  readonly bias: Value;
}

/** Returns the same function, up to rounding. */
export function foldAffine(graph: Graph): Graph {
  return rewriteGraph(graph, (g, node, view) => {
    const [product, added] = node.inputs;
    const layer = node.op === 'Add' && node.domain === '' ? view.producer(product) : undefined;
    const [x, weight] = layer?.inputs ?? [];
    if (layer?.op !== 'MatMul' || !product || view.uses(product) > 1 || !x || !weight || !added)
      return undefined;
    const areConstant = [weight, added].every(({ name }) => g.initializers.has(name));
    const affine = areConstant && weight.shape.length === 2 ? affineOf(g, x, view) : undefined;
    if (!affine) return undefined;
    const [inputs, outputs] = weight.shape as [number, number];
    const matrix = g.expression(weight);
    const bias = g.expression(affine.bias).reshape([1, inputs]).matMul(matrix).reshape([outputs]).add(added);
    return affine
      .normalized()
      .matMul(matrix.mul(g.expression(affine.scale).reshape([inputs, 1])))
      .add(bias);
  });
}

/** n s + b with one s and b for each element of a token, or for each channel of a picture of which tokens are made. */
function affineOf(g: GraphBuilder, x: Value, view: GraphView): Affine | undefined {
  const features = at(x.shape, -1);
  const direct = readOnce(g, x, [features], view);
  if (direct) return { ...direct, normalized: () => g.expression(view.current(direct.n)) };
  const transpose = view.producer(x);
  const [flat] = transpose?.inputs ?? [];
  const reshape = view.producer(flat);
  const [picture] = reshape?.inputs ?? [];
  const isTokens = transpose?.op === 'Transpose' && intsAttribute(transpose, 'perm')?.join() === '0,2,1';
  if (!isTokens || reshape?.op !== 'Reshape' || !flat || !picture || view.uses(flat) > 1 || view.uses(x) > 1)
    return undefined;
  const keepsChannels =
    picture.shape.length === 4 && picture.shape[1] === features && flat.shape[1] === features;
  const found = keepsChannels ? readOnce(g, picture, [features, 1, 1], view) : undefined;
  return (
    found && {
      ...found,
      normalized: () => g.expression(view.current(found.n)).reshape(flat.shape).transpose([0, 2, 1]),
    }
  );
}

/** The n, s and b of n s + b, if one node alone reads it and s and b are constants of that shape. */
function readOnce(
  g: GraphBuilder,
  value: Value,
  shape: readonly number[],
  { producer, uses }: GraphView,
): { readonly n: Value; readonly scale: Value; readonly bias: Value } | undefined {
  const [sum, isConstant] = [
    producer(value),
    (x: Value) => g.initializers.get(x.name)?.shape.join() === shape.join(),
  ];
  const [scaled, bias] = sum?.op === 'Add' ? (sum.inputs as [Value, Value]) : [];
  const product = producer(scaled);
  const [n, scale] = product?.op === 'Mul' ? (product.inputs as [Value, Value]) : [];
  if (!n || !scale || !scaled || !bias || uses(value) > 1 || uses(scaled) > 1) return undefined;
  return isConstant(scale) && isConstant(bias) && elementCount(n.shape) === elementCount(value.shape)
    ? { n, scale, bias }
    : undefined;
}
