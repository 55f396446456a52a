/** @file What of a network a policy changes: adapters on its layers, or all of its weights. Both are inputs of its graph. */

import type { Graph } from '../graph.js';
import { type FreeWeight, freeWeights } from './free-weights.js';
import { type Adapter, addLora, type LoraOptions, type LoraSettings } from './lora.js';

/** The file of a denoiser, and the component of a pipeline that it is. */
interface DenoiserPlace {
  readonly modelPath: string;
  readonly family: { readonly component: string };
}

/** The inputs that a policy feeds; one of the two is empty. */
export interface PolicyInputs {
  /** The pipeline's component that they change (`DenoiserFamily.component`). */
  readonly component: string;
  readonly adapters: readonly Adapter[];
  readonly weights: readonly FreeWeight[];
}

export interface PolicyNetwork extends PolicyInputs {
  readonly graph: Graph;
}

/**
 * Opens the graph of a denoiser for a policy.
 *
 * Errors: as `addLora` and `freeWeights`.
 * @param lora null where all weights are trained.
 */
export function openPolicyNetwork(
  graph: Graph,
  { modelPath, family: { component } }: DenoiserPlace,
  lora: LoraSettings | null,
  form: LoraOptions['form'],
): PolicyNetwork {
  if (lora === null) return { ...freeWeights(graph, modelPath, component), component, adapters: [] };
  return { ...addLora(graph, { ...lora, form }, modelPath), component, weights: [] };
}

/** Names of the inputs. */
export const parameterNames = ({ adapters, weights }: PolicyInputs): string[] => [
  ...adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]),
  ...weights.map(({ input }) => input),
];
