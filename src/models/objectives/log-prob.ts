/**
 * @file The log-prob of a denoising step and the KL between two policies there, as expressions. diffusion/ddim-step.ts
 * computes the same log-prob in numbers.
 */

import { at } from '../../at.js';
import type { LogProbKind } from '../diffusion/ddim-step.js';
import { usesGuidance } from '../diffusion/guided-output.js';
import type { Expression } from '../graph/ops/expression.js';
import type { StepPolicy } from './surrogate.js';

export interface StepTransition {
  /** x_i and x_{i+1}, [M, C, H, W]. */
  readonly latents: Expression;
  readonly nextLatents: Expression;
  /** a, k and σ of every row's step, [M]. */
  readonly sampleCoefficient: Expression;
  readonly outputCoefficient: Expression;
  readonly stdDevT: Expression;
  /** Default `gaussian`. */
  readonly logProbKind?: LogProbKind | undefined;
}

/** What a policy with this output (after guidance, [M, C, H, W]) says of a step. */
export function stepPolicy(step: StepTransition, modelOutput: Expression): StepPolicy {
  const { latents, sampleCoefficient, outputCoefficient } = step;
  const mean = linearCombination(sampleCoefficient, latents, outputCoefficient, modelOutput);
  return { modelOutput, mean, logProb: logProb(step, mean) };
}

/** a x + k y [M, C, H, W], with a and k [M]. */
export function linearCombination(a: Expression, x: Expression, k: Expression, y: Expression): Expression {
  const perRow = (value: Expression) => value.reshape(x.shape.map((size, axis) => (axis === 0 ? size : 1)));
  return perRow(a).mul(x).add(perRow(k).mul(y));
}

/**
 * log π(x_{i+1} | x_i) [M]: the **mean** over dimensions of -(x_{i+1} - μ)² / (2σ²) - ln σ - ½ ln 2π, with μ = a x_i + k out
 * (ddpo-pytorch, B²-DiffuRL, DPOK). x_{i+1} is a constant: gradient flows through μ alone. Of the kind `squared-distance` it is
 * the mean of -(x_{i+1} - μ)², as flow_grpo and programs after it have it for coefficients-preserving sampling.
 */
function logProb(step: StepTransition, mean: Expression): Expression {
  const { nextLatents, stdDevT, logProbKind } = step;
  const squared = meanSquaredDistance(nextLatents, mean);
  if (logProbKind === 'squared-distance') return squared.neg();
  const variance = stdDevT.mul(stdDevT);
  const exponent = squared.mul(-0.5).div(variance);
  return exponent.sub(stdDevT.log()).sub(0.5 * Math.log(2 * Math.PI));
}

/**
 * KL(π(·|x_i) || π'(·|x_i)) of every row [M], exactly: both are Gaussians with the same σ, so
 *
 *   mean_D (μ - μ')² / (2σ²) = W/2 · mean_D (out - out')²,  W = (k/σ)²
 *
 * In nats **per dimension**, as the log-probs, which are means over dimensions; times D it is the KL of the step.
 */
export function stepKl(policy: StepPolicy, other: StepPolicy, stdDevT: Expression): Expression {
  const twiceVariance = stdDevT.mul(stdDevT).mul(2);
  return meanSquaredDistance(policy.mean, other.mean).div(twiceVariance);
}

/** Mean over dimensions of (x - y)²: [M] of [M, C, H, W]. */
export function meanSquaredDistance(x: Expression, y: Expression): Expression {
  const difference = x.sub(y);
  const axes = x.shape.slice(1).map((_, axis) => axis + 1);
  return difference.mul(difference).reduceMean(axes, false);
}

/**
 * out_uncond + w (out_cond - out_uncond) [M, C, H, W] of unconditional rows and then conditional ones, [2M, C, H, W]. Without
 * guidance the rows are conditional, and stay as they are.
 */
export function guide(output: Expression, guidanceScale: number): Expression {
  if (!usesGuidance(guidanceScale)) return output;
  const rows = at(output.shape, 0) / 2;
  const [unconditional, conditional] = output.split([rows, rows], 0) as [Expression, Expression];
  return unconditional.add(conditional.sub(unconditional).mul(guidanceScale));
}
