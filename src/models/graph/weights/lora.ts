/**
 * @file Low-rank adapters by graph surgery (Hu et al. 2021): y = x W becomes y = x W + (alpha / rank) x A B, with A and B as
 * graph inputs and W frozen. A policy is then a set of feeds: a new version needs no new session. A convolution gets one of
 * its own window with `rank` outputs, and a 1 x 1 convolution behind it, as in PEFT and in LoCon.
 */

import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { withoutComponent } from '../../adapters/component-names.js';
import type { Graph, Node, Value } from '../graph.js';
import { floatAttribute, intAttribute, intsAttribute, textAttribute } from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';
import { conv } from '../ops/convolution.js';
import type { Expression } from '../ops/expression.js';

/** Where and how large the adapter is. */
export interface LoraSettings {
  /** Matches names of MatMul, Gemm and Conv nodes, e.g. `attn[12]/to_(q|k|v|out\.0)`. */
  readonly pattern: string;
  readonly rank: number;
  readonly alpha: number;
  /** The layers of an existing adapter, which take the place of the pattern. */
  readonly layers?: readonly string[];
}

export interface LoraOptions extends LoraSettings {
  /**
   * `beside`: x A B next to x W, cheap to differentiate. `folded`: W + A B made once a run, cheap to sample with. Both are the
   * same function up to rounding.
   */
  readonly form: 'beside' | 'folded';
}

/** One adapted layer. */
export interface Adapter {
  /** Name of the layer as diffusers writes it, e.g. `down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q`. */
  readonly layer: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly inputA: string;
  readonly inputB: string;
  /** Height and width of a convolution's kernel; absent for a linear layer. */
  readonly kernel?: readonly [height: number, width: number];
}

/**
 * Shapes of A and B inside graphs: [in, rank] and [rank, out], of which files hold the transposes; for a convolution
 * [rank, in, height, width] and [out, rank, 1, 1], as files hold them.
 */
export function adapterShapes(
  { inFeatures, outFeatures, kernel }: Pick<Adapter, 'inFeatures' | 'outFeatures' | 'kernel'>,
  rank: number,
): { readonly a: readonly number[]; readonly b: readonly number[] } {
  if (kernel) return { a: [rank, inFeatures, ...kernel], b: [outFeatures, rank, 1, 1] };
  return { a: [inFeatures, rank], b: [rank, outFeatures] };
}

export interface AdaptedGraph {
  readonly graph: Graph;
  readonly adapters: readonly Adapter[];
}

/**
 * Adds adapters to every matching node.
 * @throws TRIB_LORA when the pattern is no regular expression, or matches no MatMul, Gemm or Conv with a constant weight; or
 * when the model lacks one of the layers, all of which are named.
 */
export function addLora(graph: Graph, options: LoraOptions, label: string): AdaptedGraph {
  const pattern = compilePattern(options.pattern);
  const layers = options.layers && new Set(options.layers);
  const matches = (node: Node) =>
    (layers ? layers.has(layerName(node.name)) : pattern.test(node.name)) && adaptable(node, graph);
  const targets = graph.nodes.filter(matches);
  if (layers) requireLayers([...layers], targets, label);
  if (targets.length === 0) throw noTarget(graph, options.pattern, label);
  const g = GraphBuilder.from({ ...graph, nodes: [], outputs: [] });
  const adapters: Adapter[] = [];
  for (const node of graph.nodes) {
    if (matches(node)) adapters.push(adapt(g, node, options));
    else g.append(node);
  }
  for (const output of graph.outputs) g.output(output);
  return { graph: g.build(), adapters };
}

function noTarget(graph: Graph, pattern: string, label: string): TributaryError {
  const names = graph.nodes.filter((node) => adaptable(node, graph)).map((node) => node.name);
  const attention = names.filter((name) => /attn|attention/.test(name));
  const shown = (attention.length > 0 ? attention : names).slice(0, 4);
  return new TributaryError(
    'TRIB_LORA',
    `${label} LoRA pattern "${pattern}": expected to match the name of a MatMul, Gemm or Conv with a constant weight, got none of ${names.length}. ${shown.length > 0 ? `Names look like ${shown.join(', ')}.` : 'Choose a model with linear layers.'}`,
  );
}

/** An adapter that fits in part only was trained on another model: to leave out the rest would draw other pictures. */
function requireLayers(layers: readonly string[], targets: readonly Node[], label: string): void {
  const found = new Set(targets.map(({ name }) => layerName(name)));
  const missing = layers.filter((layer) => !found.has(layer));
  if (missing.length === 0) return;
  const shown = missing.slice(0, 6).join(', ');
  const more = missing.length > 6 ? ` and ${missing.length - 6} more` : '';
  throw new TributaryError(
    'TRIB_LORA',
    `${label}: expected the ${layers.length} layers of the adapter, got a model without ${missing.length} of them: ${shown}${more}. The adapter was made for another base: use it with that one.`,
  );
}

function compilePattern(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (cause) {
    throw new TributaryError(
      'TRIB_LORA',
      `LoRA pattern "${pattern}": expected a regular expression, got one that does not parse. Escape dots and close brackets.`,
      { cause },
    );
  }
}

/**
 * Whether a node is a layer that can be adapted: x W or x Wᵀ with a constant matrix, or a convolution over two axes with a
 * constant kernel. A Gemm that scales, or transposes x, and a convolution in groups or with gaps are none: PEFT and kohya
 * leave out groups and dilations of the layer.
 */
function adaptable(node: Node, graph: Graph): boolean {
  const weight = node.inputs[1];
  if (weight === undefined || node.domain !== '') return false;
  if (!graph.initializers.has(weight.name) && !graph.stored.has(weight.name)) return false;
  switch (node.op) {
    case 'MatMul':
      return weight.shape.length === 2;
    case 'Gemm':
      return (
        weight.shape.length === 2 &&
        intAttribute(node, 'transA', 0) === 0 &&
        floatAttribute(node, 'alpha', 1) === 1
      );
    case 'Conv':
      return (
        weight.shape.length === 4 &&
        intAttribute(node, 'group', 1) === 1 &&
        (intsAttribute(node, 'dilations') ?? []).every((size) => size === 1) &&
        textAttribute(node, 'auto_pad', 'NOTSET') === 'NOTSET'
      );
    default:
      return false;
  }
}

function adapt(g: GraphBuilder, node: Node, options: LoraOptions): Adapter {
  const [x, weight] = node.inputs.map((input) => input && g.expression(input)) as [Expression, Expression];
  const bias = node.inputs[2];
  const [y] = node.outputs as [Value];
  const size = layerSize(node, weight.shape);
  const layer = layerName(node.name);
  const shapes = adapterShapes(size, options.rank);
  const a = g.input(`${layer}.lora_A`, 'float32', shapes.a);
  const b = g.input(`${layer}.lora_B`, 'float32', shapes.b);
  const scale = g.scalar(options.alpha / options.rank);
  g.scoped(`lora${node.name}`, () => {
    if (options.form === 'folded') {
      const folded = weight.add(difference(node, { a, b, weight }).mul(scale));
      g.append({ ...node, inputs: [x, folded, ...(bias ? [bias] : [])] });
    } else {
      const frozen = { ...y, name: `${y.name}_frozen` };
      g.append({ ...node, outputs: [frozen] });
      const detour = (size.kernel ? convolved(node, { x, a, b }) : x.matMul(a).matMul(b)).mul(scale);
      g.append({
        name: `${node.name}_adapted`,
        op: 'Add',
        domain: '',
        inputs: [frozen, detour],
        outputs: [y],
        attributes: {},
      });
    }
  });
  return { layer, ...size, inputA: a.name, inputB: b.name };
}

const isTransposed = (node: Node) => node.op === 'Gemm' && intAttribute(node, 'transB', 0) === 1;

function layerSize(
  node: Node,
  shape: readonly number[],
): Pick<Adapter, 'inFeatures' | 'outFeatures' | 'kernel'> {
  const [first = 1, second = 1, height = 1, width = 1] = shape;
  if (node.op === 'Conv') return { inFeatures: second, outFeatures: first, kernel: [height, width] };
  const [inFeatures, outFeatures] = isTransposed(node) ? [second, first] : [first, second];
  return { inFeatures, outFeatures };
}

/** x through A, with the window of the layer itself, and through the 1 x 1 convolution B. */
function convolved(node: Node, { x, a, b }: Record<'x' | 'a' | 'b', Expression>): Expression {
  const down = at(x.graph.emit('Conv', [x, a], node.attributes), 0);
  return conv(down, b, undefined);
}

/** A B, in the layout of the weight. */
function difference(node: Node, { a, b, weight }: Record<'a' | 'b' | 'weight', Expression>): Expression {
  if (node.op !== 'Conv') {
    if (!isTransposed(node)) return a.matMul(b);
    // (A B)ᵀ as Bᵀ Aᵀ: the factors are small, their product is as large as the weight.
    return b.transpose([1, 0]).matMul(a.transpose([1, 0]));
  }
  const [outputs = 1, rank = 1] = b.shape;
  const kernels = b.reshape([outputs, rank]).matMul(a.reshape([rank, -1]));
  return kernels.reshape(weight.shape);
}

/** `/down_blocks.1/attn1/to_q/MatMul` -> `down_blocks.1.attn1.to_q`. */
export function layerName(nodeName: string): string {
  return withoutComponent(nodeName.replace(/^\//, ''))
    .replace(/\/(MatMul|Gemm|Conv)[^/]*$/, '')
    .replaceAll('/', '.');
}
