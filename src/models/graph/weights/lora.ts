/**
 * @file Low-rank adapters by graph surgery (Hu et al. 2021): y = x W becomes y = x W + (alpha / rank) x A B, with A and B as
 * graph inputs and W frozen. A policy is then a set of feeds, and a new version needs no new session. A convolution gets a
 * second one with the same window and `rank` outputs, followed by a 1 x 1 convolution, as in PEFT and LoCon.
 */

import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { withoutComponent } from '../../adapters/component-names.js';
import {
  floatAttribute,
  type Graph,
  intAttribute,
  intsAttribute,
  type Node,
  textAttribute,
  type Value,
} from '../graph.js';
import { GraphBuilder } from '../ops/builder.js';
import { conv } from '../ops/convolution.js';
import type { Expression } from '../ops/expression.js';
import { after, hasArrived } from '../passes/rewrite.js';

/** The place and size of an adapter. */
export interface LoraSettings {
  /** Matches names of MatMul, Gemm and Conv nodes, e.g. `attn[12]/to_(q|k|v|out\.0)`; absent: that of the denoiser's family. */
  readonly pattern?: string | undefined;
  readonly rank: number;
  readonly alpha: number;
  /** Matches names of such nodes in CLIP text encoders, e.g. `self_attn/(q|k|v|out)_proj`; absent: they stay frozen. */
  readonly textEncoder?: string | undefined;
  /** The layers of an existing adapter, which take the place of the pattern. */
  readonly layers?: readonly string[];
  /** Whether a network without any such layer is taken as it is, as where pictures are drawn without an adapter. */
  readonly isOptional?: boolean;
}

export interface LoraOptions extends LoraSettings {
  readonly pattern: string;
  /**
   * `beside`: x A B next to x W, cheap to differentiate. `folded`: W + A B, computed once per run, cheap to sample with. Both
   * are the same function up to rounding.
   */
  readonly form: 'beside' | 'folded';
  /** That of a text encoder, such as `text_encoder_2`, with which the names of its layers begin; absent for the denoiser. */
  readonly component?: string;
}

export interface Adapter {
  /**
   * Name of the layer in diffusers, e.g. `down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q`; that of a text encoder
   * with its component, e.g. `text_encoder.text_model.encoder.layers.0.self_attn.q_proj`.
   */
  readonly layer: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly inputA: string;
  readonly inputB: string;
  /** Height and width of a convolution's kernel; absent for a linear layer. */
  readonly kernel?: readonly [height: number, width: number];
}

/**
 * Shapes of A and B in graphs: [in, rank] and [rank, out], the transposes of those in files; for a convolution
 * [rank, in, height, width] and [out, rank, 1, 1], as in files.
 */
export function adapterShapes(
  { inFeatures, outFeatures, kernel }: Pick<Adapter, 'inFeatures' | 'outFeatures' | 'kernel'>,
  rank: number,
): { readonly a: readonly number[]; readonly b: readonly number[] } {
  if (kernel) return { a: [rank, inFeatures, ...kernel], b: [outFeatures, rank, 1, 1] };
  return { a: [inFeatures, rank], b: [rank, outFeatures] };
}

/**
 * Adds adapters to every matching node.
 *
 * Errors: TRIB_LORA if the pattern is not a regular expression, or matches no MatMul, Gemm or Conv with a constant weight; or,
 * naming them, if the model lacks layers.
 */
export function addLora(
  graph: Graph,
  options: LoraOptions,
  label: string,
): { readonly graph: Graph; readonly adapters: readonly Adapter[] } {
  const pattern = compilePattern(options.pattern);
  const layers = options.layers && new Set(options.layers);
  const matches = (node: Node) =>
    (layers ? layers.has(layerName(node.name)) : pattern.test(node.name)) && adaptable(node, graph);
  const targets = graph.nodes.filter(matches);
  if (layers) requireLayers([...layers], targets, label);
  if (targets.length === 0 && options.isOptional) return { graph, adapters: [] };
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

/** An adapter that only fits in part was trained on another model: without the rest it would give other pictures. */
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
 * Whether a node is a layer that can be adapted: x W or x Wᵀ with a constant matrix, or a two-dimensional convolution with a
 * constant kernel. Excluded are a Gemm that scales or transposes x, and a convolution with groups or dilation, both of which
 * PEFT and kohya ignore.
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
        !intsAttribute(node, 'dilations')?.some((size) => size !== 1) &&
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
  const ownName = layerName(node.name);
  const layer = options.component === undefined ? ownName : `${options.component}.${ownName}`;
  const shapes = adapterShapes(size, options.rank);
  const a = g.input(`${layer}.lora_A`, 'float32', shapes.a);
  const b = g.input(`${layer}.lora_B`, 'float32', shapes.b);
  const scale = g.scalar(options.alpha / options.rank);
  g.scoped(`lora${node.name}`, () => {
    if (options.form === 'folded') {
      // A weight on disk is large: a runtime would make the sums of all layers first, where none of them waited for x.
      const late = g.placeOf(weight) ? after(hasArrived(x), a) : a;
      const folded = weight.add(difference(node, { a: late, b, weight }).mul(scale));
      g.append({ ...node, inputs: [x, folded, ...(bias ? [bias] : [])] });
    } else {
      const frozen = { ...y, name: `${y.name}_frozen` };
      g.append({ ...node, outputs: [frozen] });
      const detour = (size.kernel ? convolve(node, { x, a, b }) : x.matMul(a).matMul(b)).mul(scale);
      const inputs = [frozen, detour];
      const name = `${node.name}_adapted`;
      g.append({ name, op: 'Add', domain: '', inputs, outputs: [y], attributes: {} });
    }
  });
  return { layer, ...size, inputA: a.name, inputB: b.name };
}

const isTransposed = (node: Node) => node.op === 'Gemm' && intAttribute(node, 'transB', 0) === 1;

function layerSize(
  node: Node,
  shape: readonly number[],
): Pick<Adapter, 'inFeatures' | 'outFeatures' | 'kernel'> {
  const [first, second, ...kernel] = shape as [number, number, number, number];
  if (node.op === 'Conv') return { inFeatures: second, outFeatures: first, kernel };
  const [inFeatures, outFeatures] = isTransposed(node) ? [second, first] : [first, second];
  return { inFeatures, outFeatures };
}

/** Convolves x with A, using the layer's window, then with the 1 x 1 kernel B. */
function convolve(node: Node, { x, a, b }: Record<'x' | 'a' | 'b', Expression>): Expression {
  return conv(at(x.graph.emit('Conv', [x, a], node.attributes), 0), b, undefined);
}

/** A B, in the layout of the weight. */
function difference(node: Node, { a, b, weight }: Record<'a' | 'b' | 'weight', Expression>): Expression {
  if (node.op !== 'Conv') {
    if (!isTransposed(node)) return a.matMul(b);
    // (A B)ᵀ as Bᵀ Aᵀ: the factors are small, while their product is as large as the weight.
    return b.transpose([1, 0]).matMul(a.transpose([1, 0]));
  }
  const [outputs, rank] = [at(b.shape, 0), at(b.shape, 1)];
  const kernels = b.reshape([outputs, rank]).matMul(a.reshape([rank, -1]));
  return kernels.reshape(weight.shape);
}

/** `/down_blocks.1/attn1/to_q/MatMul` -> `down_blocks.1.attn1.to_q`. */
export function layerName(nodeName: string): string {
  return withoutComponent(nodeName.replace(/^\//, ''))
    .replace(/\/(MatMul|Gemm|Conv)[^/]*$/, '')
    .replaceAll('/', '.');
}
