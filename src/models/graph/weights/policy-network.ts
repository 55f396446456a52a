/** @file What of a network a policy changes: adapters on its layers, or all of its weights. Both are inputs of its graph. */

import type { Graph } from '../graph.js';
import { type FreeWeight, freeWeights } from './free-weights.js';
import { type Adapter, addLora, type LoraOptions } from './lora.js';

/** The inputs that a policy feeds; one of the two is empty. */
export interface PolicyInputs {
  readonly adapters: readonly Adapter[];
  readonly weights: readonly FreeWeight[];
}

export interface PolicyNetwork extends PolicyInputs {
  readonly graph: Graph;
}

/**
 * Opens a graph for a policy.
 * @param lora null where all weights are trained.
 * @throws as `addLora` and `freeWeights`.
 */
export function openPolicyNetwork(
  graph: Graph,
  lora: Omit<LoraOptions, 'form'> | null,
  form: LoraOptions['form'],
  label: string,
): PolicyNetwork {
  if (lora === null) return { ...freeWeights(graph, label), adapters: [] };
  return { ...addLora(graph, { ...lora, form }, label), weights: [] };
}

/** Names of the inputs. */
export const parameterNames = ({ adapters, weights }: PolicyInputs): string[] => [
  ...adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]),
  ...weights.map(({ input }) => input),
];
