/** @file The log-prob of a denoising step as a graph expression; the same formula as diffusion/ddim-step.ts computes in numbers. */

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
}

/** What a policy with this output (after guidance, [M, C, H, W]) says of a step: its mean, and the log-prob of x_{i+1}. */
export function stepPolicy(step: StepTransition, modelOutput: Expression): StepPolicy {
  const { latents, sampleCoefficient, outputCoefficient } = step;
  const mean = linearCombination(sampleCoefficient, latents, outputCoefficient, modelOutput);
  return { modelOutput, mean, logProb: stepLogProbExpression(step, mean) };
}

/** a x + k y [M, C, H, W], with one a and one k a row. */
export function linearCombination(a: Expression, x: Expression, k: Expression, y: Expression): Expression {
  const [rows = 1, ...rest] = x.shape;
  const perRow = (value: Expression) => value.reshape([rows, ...rest.map(() => 1)]);
  return perRow(a).mul(x).add(perRow(k).mul(y));
}

/**
 * log π(x_{i+1} | x_i) [M]: the **mean** over dimensions of -(x_{i+1} - μ)² / (2σ²) - ln σ - ½ ln 2π, with μ = a x_i + k out
 * (ddpo-pytorch, B²-DiffuRL, DPOK). x_{i+1} is a constant: gradient flows through μ alone.
 */
function stepLogProbExpression(step: StepTransition, mean: Expression): Expression {
  const squared = meanSquaredDistance(step.nextLatents, mean);
  const variance = step.stdDevT.mul(step.stdDevT);
  const exponent = squared.mul(-0.5).div(variance);
  return exponent.sub(step.stdDevT.log()).sub(0.5 * Math.log(2 * Math.PI));
}

/** Mean over dimensions of (x - y)²: [M] of [M, C, H, W]. */
export function meanSquaredDistance(x: Expression, y: Expression): Expression {
  const difference = x.sub(y);
  const axes = x.shape.slice(1).map((_, axis) => axis + 1);
  return difference.mul(difference).reduceMean(axes, false);
}

/**
 * eps_uncond + w (eps_cond - eps_uncond); the rows of `output` are the unconditional ones, then the conditional ones. Without
 * guidance they are the conditional ones alone.
 */
export function guidedExpression(output: Expression, guidanceScale: number): Expression {
  if (!usesGuidance(guidanceScale)) return output;
  const rows = (output.shape[0] ?? 2) / 2;
  const [unconditional, conditional] = output.split([rows, rows], 0) as [Expression, Expression];
  return unconditional.add(conditional.sub(unconditional).mul(guidanceScale));
}
