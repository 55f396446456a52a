/** @file How far two policies are apart at one denoising step. */

import type { Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import * as op from '../graph/ops/index.js';
import { meanSquaredDistance } from './log-prob.js';
import type { StepPolicy } from './surrogate.js';

/**
 * KL(π(·|x_i) || π'(·|x_i)) of every row [M], exactly: both are Gaussians with the same σ, so
 *
 *   mean_D (μ - μ')² / (2σ²) = W/2 · mean_D (out - out')²,  W = (k/σ)²
 *
 * In nats **per dimension**, the scale of the log-probs, which are means over dimensions too; times D it is the KL of the step.
 */
export function stepKl(g: GraphBuilder, policy: StepPolicy, other: StepPolicy, stdDevT: Value): Value {
  const twiceVariance = op.mul(g, op.mul(g, stdDevT, stdDevT), g.scalar(2));
  return op.div(g, meanSquaredDistance(g, policy.mean, other.mean), twiceVariance);
}
