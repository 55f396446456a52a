/** @file DDPO's importance-sampled surrogate. */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/graph.js';
import * as op from '../graph/ops/index.js';

export interface ClippedSurrogateSettings {
  /** e: ratios outside [1 - e, 1 + e] gain nothing. 1e-4 suits log-probs that are means over dimensions. */
  readonly clipRange: number;
  /** Advantages are clipped to [-advClipMax, advClipMax]. */
  readonly advClipMax: number;
}

export interface SurrogateValues {
  /** exp(logProb - oldLogProb), [M]. */
  readonly ratio: Value;
  /** [M]. */
  readonly advantage: Value;
}

/**
 * Loss of every (sample, step) pair [M]: max(-A ρ, -A clip(ρ, 1 - e, 1 + e)), ρ the ratio and A the clipped advantage
 * (Black et al. 2023, DDPO-IS with the clip of PPO; ddpo-pytorch scripts/train.py; B²-DiffuRL uses the same with e = 0.1).
 */
export function ddpoIsLoss(
  g: GraphBuilder,
  { ratio, advantage }: SurrogateValues,
  { clipRange, advClipMax }: ClippedSurrogateSettings,
): Value {
  const loss = op.neg(g, op.clip(g, advantage, -advClipMax, advClipMax));
  const clippedRatio = op.clip(g, ratio, 1 - clipRange, 1 + clipRange);
  return op.max(g, op.mul(g, loss, ratio), op.mul(g, loss, clippedRatio));
}
