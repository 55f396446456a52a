/** @file What the two kinds of objective have in common: outputs of the network in, a loss and its diagnostics out. */

import type { Expression } from '../graph/ops/expression.js';
import type { ReferencePolicy } from '../objectives/surrogate.js';

/** Outputs of the network after guidance, [M, C, H, W], by policy. */
export type PolicyOutputs = { readonly policy: Expression } & {
  readonly [Reference in ReferencePolicy]?: Expression;
};

/** What an objective adds to the graph. */
export interface Objective {
  /** Scalar: Σ weight · surrogate. */
  readonly loss: Expression;
  /** Diagnostics [M] by output name. */
  readonly diagnostics: Readonly<Record<string, Expression>>;
}
