/**
 * @file Attention that never holds all of its scores (Rabe and Staats 2021, "Self-attention does not need O(n²) memory"): it
 * computes softmax(q kᵀ) v for some positions of q at a time. While a graph is differentiated, such attention is a single
 * node, whose gradient recomputes the scores piece by piece (autodiff/attention-rule.ts). It is expanded at the end.
 */

import { at } from '../../../at.js';
import { elementCount } from '../../tensor.js';
import { type Graph, int, intAttribute, type Node, type Value } from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';
import type { Expression } from '../ops/expression.js';
import { after, type GraphView, hasArrived, rewriteGraph } from './rewrite.js';
import { type Scale, scaleOf } from './scale-before-product.js';

/** The domain of operators that only this program knows. No graph contains them when it runs. */
export const DOMAIN = 'tributary';
/** Scores in one piece: 64 MiB of float32. Smaller pieces are not faster (docs/performance.md), and there are more. */
const PIECE_ELEMENTS = 2 ** 24;

/** Whether a node is attention in pieces: q [..., n, c], kᵀ [..., c, m], v [..., m, d], where q is scaled already. */
export const isAttention = ({ domain, op: name }: Node): boolean => domain === DOMAIN && name === 'Attention';

/**
 * Returns the graph with softmax(q kᵀ · s) v as one node wherever there are more than `atMost` scores. Call `writeAttention`
 * before running the graph. Attention with a mask, dropout or another axis stays as it is.
 */
export function gatherAttention(graph: Graph, atMost = PIECE_ELEMENTS): Graph {
  return rewriteGraph(graph, (g, node, view) => {
    const scores = scoresUnder(node, view);
    const value = node.inputs[1];
    if (!scores || !value || elementCount(scores.shape) <= atMost) return undefined;
    const scale = scaleOf(view.producer(scores), g);
    if (scale && view.uses(scale.value) > 1) return undefined;
    const product = view.producer(scale?.value ?? scores);
    const [query, keys] = product?.op === 'MatMul' ? product.inputs.map((i) => i && view.current(i)) : [];
    if (!query || !keys || !areStacked([query, keys, value])) return undefined;
    const positions = at(scores.shape, -2);
    const rows = Math.max(1, Math.floor((atMost * positions) / elementCount(scores.shape)));
    const [output] = node.outputs as [Value];
    const mixed: Value = { ...output, name: `${output.name}_attention` };
    g.append({
      name: `${node.name}_attention`,
      op: 'Attention',
      domain: DOMAIN,
      inputs: [scale ? applyScale(scale, g.expression(query)) : query, keys, value],
      outputs: [mixed],
      attributes: { rows: int(Math.ceil(positions / Math.ceil(positions / rows))) },
    });
    return mixed;
  });
}

/** What the softmax under a product reads, if nothing else reads it. */
function scoresUnder(node: Node, { producer, uses }: GraphView): Value | undefined {
  const softmax = node.op === 'MatMul' && node.domain === '' ? producer(node.inputs[0]) : undefined;
  const [scores] = softmax?.inputs ?? [];
  const [probabilities] = softmax?.outputs ?? [];
  if (softmax?.op !== 'Softmax' || !scores || !probabilities) return undefined;
  const isAlongLast = [-1, scores.shape.length - 1].includes(intAttribute(softmax, 'axis', -1));
  return isAlongLast && uses(probabilities) === 1 && uses(scores) === 1 ? scores : undefined;
}

const applyScale = ({ op, number }: Scale, query: Expression): Expression =>
  op === 'Mul' ? query.mul(number) : query.div(number);

/** Whether all values are stacks of matrices of the same size, in single precision. */
function areStacked(values: readonly Value[]): boolean {
  const stacks = new Set(values.map(({ type, shape }) => `${type} ${shape.slice(0, -2).join()}`));
  return stacks.size === 1 && values.every(({ type }) => type === 'float32');
}

/** Returns the graph with attention expanded into operators that engines know. */
export function writeAttention(graph: Graph): Graph {
  const g = GraphBuilder.from({ ...graph, nodes: [], outputs: [] });
  for (const node of graph.nodes) {
    if (isAttention(node)) g.scoped(node.name.replace(/^\//, ''), () => writePieces(g, node));
    else g.append(node);
  }
  for (const output of graph.outputs) g.output(output);
  return g.build();
}

function writePieces(g: GraphBuilder, node: Node): void {
  const [query, keys, value] = node.inputs as [Value, Value, Value];
  const pieces: Expression[] = [];
  for (const piece of piecesOf(node)) {
    const rows = rowsOf(g.expression(query), piece);
    const last = pieces.at(-1);
    const due = last ? after(hasArrived(last), rows) : rows;
    pieces.push(due.matMul(keys).softmax(-1).matMul(value));
  }
  const { name, outputs } = node;
  const attributes = { axis: int(query.shape.length - 2) };
  g.append({ name, op: 'Concat', domain: '', inputs: pieces, outputs, attributes });
}

/** The first position of each piece of the queries, and the one after its last. */
export function piecesOf(node: Node): readonly (readonly [number, number])[] {
  const positions = at(at(node.outputs, 0).shape, -2);
  const rows = intAttribute(node, 'rows', positions);
  return Array.from({ length: Math.ceil(positions / rows) }, (_, index) => [
    index * rows,
    Math.min((index + 1) * rows, positions),
  ]);
}

/** Some rows of every matrix in a stack. */
export const rowsOf = (matrices: Expression, [first, end]: readonly [number, number]): Expression =>
  matrices.slice({ starts: [first], ends: [end], axes: [matrices.shape.length - 2] });
