/**
 * @file The form of a graph that is only run, not differentiated: onnxruntime's fused operators replace the patterns that
 * exporters write. The result is the same function up to rounding.
 */

import { at } from '../../../at.js';
import { elementCount, type Tensor } from '../../tensor.js';
import { float, type Graph, int, intAttribute, intsAttribute, type Node, type Value } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import { cheaperConvolution } from './cheaper-convolutions.js';
import { type GraphView, rewriteGraph } from './rewrite.js';
import { scaleOf } from './scale-before-product.js';
import { siluInput } from './silu.js';

const CONTRIB = 'com.microsoft';

/** Returns the graph with attention as MultiHeadAttention (unless `attention` is false) and SiLU as QuickGelu. */
export function fuseForInference(graph: Graph, { attention = true } = {}): Graph {
  return rewriteGraph(
    graph,
    (g, node, view) =>
      (attention ? fuseAttention(g, node, view) : undefined) ??
      fuseSilu(g, node, view) ??
      cheaperConvolution(g, node, view),
  );
}

/** Appends a fused operator in place of `node`. */
function appendFused(
  { g, view }: { g: GraphBuilder; view: GraphView },
  node: Node,
  { op, inputs, attributes }: Pick<Node, 'op' | 'attributes'> & { readonly inputs: readonly Value[] },
): Value {
  const [output] = node.outputs as [Value];
  const fused = { ...output, name: `${output.name}_fused` };
  const fusion = { op, domain: CONTRIB, inputs: inputs.map(view.current), outputs: [fused], attributes };
  g.append({ name: `${node.name}_${op}`, ...fusion });
  return fused;
}

/** x · sigmoid(x) is QuickGelu with alpha 1. */
function fuseSilu(g: GraphBuilder, node: Node, view: GraphView): Value | undefined {
  const x = siluInput(node, view);
  return (
    x && appendFused({ g, view }, node, { op: 'QuickGelu', inputs: [x], attributes: { alpha: float(1) } })
  );
}

interface Heads {
  /** [B, N, C], before the split into heads. */
  readonly source: Value;
  readonly count: number;
  readonly size: number;
}

/**
 * Fuses the output Reshape of softmax(q kᵀ · scale) v, where q, k, v are Reshape + Transpose of [B, N, C] into heads. Attention
 * with anything in between (a mask, dropout), or with another axis of the softmax, stays as it is.
 */
function fuseAttention(g: GraphBuilder, node: Node, view: GraphView): Value | undefined {
  const mix = view.producer(mergedHeads(node, view));
  const softmax = mix?.op === 'MatMul' ? view.producer(mix.inputs[0]) : undefined;
  if (!mix || softmax?.op !== 'Softmax' || ![-1, 3].includes(intAttribute(softmax, 'axis', -1)))
    return undefined;
  const scale = scaleOf(view.producer(softmax.inputs[0]), g);
  if (scale?.op !== 'Mul' || scale.isReversed || scale.number.type !== 'float32') return undefined;
  const number = g.initializers.get(scale.number.name) as Tensor<'float32'>;
  const scores = view.producer(scale.value);
  if (scores?.op !== 'MatMul') return undefined;
  const query = splitHeads(view, scores.inputs[0], '0,2,1,3');
  const key = splitHeads(view, scores.inputs[1], '0,2,3,1');
  const value = splitHeads(view, mix.inputs[1], '0,2,1,3');
  if (!query || !key || !value) return undefined;
  return appendFused({ g, view }, node, {
    op: 'MultiHeadAttention',
    inputs: [query.source, key.source, value.source],
    attributes: { num_heads: int(query.count), scale: float(at(number.data, 0)) },
  });
}

/** The value [B, heads, N, size] under a Transpose and a Reshape to [B, N, heads · size]. */
function mergedHeads(node: Node, view: GraphView): Value | undefined {
  if (node.op !== 'Reshape') return undefined;
  const merge = view.producer(node.inputs[0]);
  if (merge?.op !== 'Transpose' || intsAttribute(merge, 'perm')?.join() !== '0,2,1,3') return undefined;
  const [batch, positions, ...heads] = at(merge.outputs, 0).shape;
  const merged = [batch, positions, elementCount(heads)];
  return at(node.outputs, 0).shape.join() === merged.join() ? merge.inputs[0] : undefined;
}

/** The source [B, N, heads · size] of a Reshape to [B, N, heads, size] and a Transpose. */
function splitHeads(view: GraphView, value: Value | undefined, order: string): Heads | undefined {
  const transpose = view.producer(value);
  if (transpose?.op !== 'Transpose' || intsAttribute(transpose, 'perm')?.join() !== order) return undefined;
  const [heads] = transpose.inputs as [Value];
  const reshape = view.producer(heads);
  const source = reshape?.op === 'Reshape' ? reshape.inputs[0] : undefined;
  const [batch, positions, count, size] = heads.shape as [number, number, number, number];
  const isSplit = source?.shape.join() === [batch, positions, count * size].join();
  return isSplit ? { source, count, size } : undefined;
}
