/** @file What the two kinds of objective have in common: outputs of the network in, a loss and its diagnostics out. */

import type { Value } from '../graph/graph.js';
import type { ReferencePolicy } from '../objectives/surrogate.js';

/** Outputs of the network after guidance, [M, C, H, W], by policy. */
export type PolicyOutputs = { readonly policy: Value } & { readonly [Reference in ReferencePolicy]?: Value };

/** What an objective adds to the graph. */
export interface Objective {
  /** Scalar: Σ weight · surrogate. */
  readonly loss: Value;
  /** Diagnostics [M] by output name. */
  readonly diagnostics: Readonly<Record<string, Value>>;
}
