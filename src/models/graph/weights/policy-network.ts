/** @file What a policy changes in a network: adapters on its layers, or all of its weights. Both are inputs of its graph. */

import type { Graph } from '../graph.js';
import { type FreeWeight, freeWeights } from './free-weights.js';
import { type Adapter, addLora, type LoraOptions, type LoraSettings } from './lora.js';

/** The inputs that a policy feeds. One of the two lists is empty. */
export interface PolicyInputs {
  /** The pipeline's component that the policy changes (`DenoiserFamily.component`). */
  readonly component: string;
  readonly adapters: readonly Adapter[];
  readonly weights: readonly FreeWeight[];
}

/** Turns what a policy changes into inputs of the graph; all weights if `lora` is null. Errors: as `addLora`, `freeWeights`. */
export function openPolicyNetwork(
  graph: Graph,
  {
    modelPath,
    family,
  }: {
    readonly modelPath: string;
    readonly family: { readonly component: string; readonly loraPattern: string };
  },
  lora: LoraSettings | null,
  form: LoraOptions['form'],
): PolicyInputs & { readonly graph: Graph } {
  const { component } = family;
  if (lora === null) return { ...freeWeights(graph, modelPath, component), component, adapters: [] };
  const { pattern = family.loraPattern } = lora;
  return { ...addLora(graph, { ...lora, pattern, form }, modelPath), component, weights: [] };
}

/** Names of a policy's inputs. */
export const parameterNames = ({ adapters, weights }: PolicyInputs): string[] => [
  ...adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]),
  ...weights.map(({ input }) => input),
];
