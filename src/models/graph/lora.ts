/**
 * @file Low-rank adapters by graph surgery (Hu et al. 2021): y = x W becomes y = x W + (alpha / rank) x A B, with A and B as
 * graph inputs and W frozen. A policy is then a set of feeds: a new version needs no new session.
 */

import { TributaryError } from '../../errors.js';
import { GraphBuilder } from './builder.js';
import type { Graph, Node, Value } from './graph.js';
import { floatAttribute, intAttribute } from './graph.js';
import * as op from './ops/index.js';

export interface LoraOptions {
  /** Matches names of MatMul and Gemm nodes, e.g. `attn[12]/to_(q|k|v|out\.0)`. */
  readonly pattern: string;
  readonly rank: number;
  readonly alpha: number;
  /**
   * `beside`: x A B next to x W, cheap to differentiate. `folded`: W + A B made once a run, cheap to sample with. Both are the
   * same function up to rounding.
   */
  readonly form: 'beside' | 'folded';
}

/** One adapted layer. Inside graphs A is [in, rank] and B is [rank, out]; files hold the transposes. */
export interface Adapter {
  /** Name of the layer as diffusers writes it, e.g. `down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q`. */
  readonly layer: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly inputA: string;
  readonly inputB: string;
}

export interface AdaptedGraph {
  readonly graph: Graph;
  readonly adapters: readonly Adapter[];
}

/**
 * Adds adapters to every matching node.
 * @throws TRIB_LORA when the pattern is no regular expression, or matches no MatMul or Gemm with a constant weight.
 */
export function addLora(graph: Graph, options: LoraOptions, label: string): AdaptedGraph {
  const pattern = compilePattern(options.pattern);
  const matches = (node: Node) => pattern.test(node.name) && adaptable(node, graph);
  const targets = graph.nodes.filter(matches);
  if (targets.length === 0) {
    const names = graph.nodes.filter((node) => adaptable(node, graph)).map((node) => node.name);
    const attention = names.filter((name) => /attn|attention/.test(name));
    const shown = (attention.length > 0 ? attention : names).slice(0, 4);
    throw new TributaryError(
      'TRIB_LORA',
      `${label} LoRA pattern "${options.pattern}": expected to match the name of a MatMul or Gemm with a constant weight, got none of ${names.length}. ${shown.length > 0 ? `Names look like ${shown.join(', ')}.` : 'Choose a model with linear layers.'}`,
    );
  }
  const g = GraphBuilder.from({ ...graph, nodes: [], outputs: [] });
  const adapters: Adapter[] = [];
  for (const node of graph.nodes) {
    if (matches(node)) adapters.push(adapt(g, node, options));
    else g.append(node);
  }
  for (const output of graph.outputs) g.output(output);
  return { graph: g.build(), adapters };
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

/** Whether a node is a linear layer: x W or x Wᵀ with a constant matrix. A Gemm that scales, or transposes x, is none. */
function adaptable(node: Node, graph: Graph): boolean {
  const weight = node.inputs[1];
  const isLinear =
    node.op === 'Gemm'
      ? intAttribute(node, 'transA', 0) === 0 && floatAttribute(node, 'alpha', 1) === 1
      : node.op === 'MatMul';
  return isLinear && weight !== undefined && weight.shape.length === 2 && graph.initializers.has(weight.name);
}

function adapt(g: GraphBuilder, node: Node, { rank, alpha, form }: LoraOptions): Adapter {
  const [x, weight, bias] = node.inputs as [Value, Value, Value | undefined];
  const [y] = node.outputs as [Value];
  const transposed = node.op === 'Gemm' && intAttribute(node, 'transB', 0) === 1;
  const [inFeatures = 1, outFeatures = 1] = transposed ? weight.shape.toReversed() : weight.shape;
  const layer = layerName(node.name);
  const a = g.input(`${layer}.lora_A`, 'float32', [inFeatures, rank]);
  const b = g.input(`${layer}.lora_B`, 'float32', [rank, outFeatures]);
  const scale = g.scalar(alpha / rank);
  g.scoped(`lora${node.name}`, () => {
    if (form === 'folded') {
      const delta = op.mul(g, op.matMul(g, a, b), scale);
      const folded = op.add(g, weight, transposed ? op.transpose(g, delta, [1, 0]) : delta);
      g.append({ ...node, inputs: [x, folded, ...(bias ? [bias] : [])] });
    } else {
      const frozen = { ...y, name: `${y.name}_frozen` };
      g.append({ ...node, outputs: [frozen] });
      const detour = op.mul(g, op.matMul(g, op.matMul(g, x, a), b), scale);
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
  return { layer, inFeatures, outFeatures, inputA: a.name, inputB: b.name };
}

/** `/down_blocks.1/attn1/to_q/MatMul` -> `down_blocks.1.attn1.to_q`. */
function layerName(nodeName: string): string {
  return nodeName
    .replace(/^\/?(unet\/)?/, '')
    .replace(/\/(MatMul|Gemm)[^/]*$/, '')
    .replaceAll('/', '.');
}
