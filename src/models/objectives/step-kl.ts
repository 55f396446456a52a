/** @file How far two policies are apart at one denoising step. */

import type { Expression } from '../graph/ops/expression.js';
import { meanSquaredDistance } from './log-prob.js';
import type { StepPolicy } from './surrogate.js';

/**
 * KL(π(·|x_i) || π'(·|x_i)) of every row [M], exactly: both are Gaussians with the same σ, so
 *
 *   mean_D (μ - μ')² / (2σ²) = W/2 · mean_D (out - out')²,  W = (k/σ)²
 *
 * In nats **per dimension**, the scale of the log-probs, which are means over dimensions too; times D it is the KL of the step.
 */
export function stepKl(policy: StepPolicy, other: StepPolicy, stdDevT: Expression): Expression {
  const twiceVariance = stdDevT.mul(stdDevT).mul(2);
  return meanSquaredDistance(policy.mean, other.mean).div(twiceVariance);
}
