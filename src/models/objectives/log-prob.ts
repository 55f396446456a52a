/** @file The log-prob of a denoising step as a graph expression; the same formula as diffusion/ddim-step.ts computes in numbers. */

import { usesGuidance } from '../diffusion/guided-output.js';
import type { Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import * as op from '../graph/ops/index.js';
import type { StepPolicy } from './surrogate.js';

export interface StepTransition {
  /** x_i and x_{i+1}, [M, C, H, W]. */
  readonly latents: Value;
  readonly nextLatents: Value;
  /** a, k and σ of every row's step, [M]. */
  readonly sampleCoefficient: Value;
  readonly outputCoefficient: Value;
  readonly stdDevT: Value;
}

/** What a policy with this output (after guidance, [M, C, H, W]) says of a step: its mean, and the log-prob of x_{i+1}. */
export function stepPolicy(g: GraphBuilder, step: StepTransition, modelOutput: Value): StepPolicy {
  const { latents, sampleCoefficient, outputCoefficient } = step;
  const mean = linearCombination(g, sampleCoefficient, latents, outputCoefficient, modelOutput);
  return { modelOutput, mean, logProb: stepLogProbExpression(g, step, mean) };
}

/** a x + k y [M, C, H, W], with one a and one k a row. */
export function linearCombination(g: GraphBuilder, a: Value, x: Value, k: Value, y: Value): Value {
  const [rows = 1, ...rest] = x.shape;
  const perRow = (value: Value) => op.reshape(g, value, [rows, ...rest.map(() => 1)]);
  return op.add(g, op.mul(g, perRow(a), x), op.mul(g, perRow(k), y));
}

/**
 * log π(x_{i+1} | x_i) [M]: the **mean** over dimensions of -(x_{i+1} - μ)² / (2σ²) - ln σ - ½ ln 2π, with μ = a x_i + k out
 * (ddpo-pytorch, B²-DiffuRL, DPOK). x_{i+1} is a constant: gradient flows through μ alone.
 */
function stepLogProbExpression(g: GraphBuilder, step: StepTransition, mean: Value): Value {
  const squared = meanSquaredDistance(g, step.nextLatents, mean);
  const variance = op.mul(g, step.stdDevT, step.stdDevT);
  const exponent = op.div(g, op.mul(g, squared, g.scalar(-0.5)), variance);
  return op.sub(g, op.sub(g, exponent, op.log(g, step.stdDevT)), g.scalar(0.5 * Math.log(2 * Math.PI)));
}

/** Mean over dimensions of (x - y)²: [M] of [M, C, H, W]. */
export function meanSquaredDistance(g: GraphBuilder, x: Value, y: Value): Value {
  const difference = op.sub(g, x, y);
  const axes = x.shape.slice(1).map((_, axis) => axis + 1);
  return op.reduceMean(g, op.mul(g, difference, difference), axes, false);
}

/**
 * eps_uncond + w (eps_cond - eps_uncond); the rows of `output` are the unconditional ones, then the conditional ones. Without
 * guidance they are the conditional ones alone.
 */
export function guidedExpression(g: GraphBuilder, output: Value, guidanceScale: number): Value {
  if (!usesGuidance(guidanceScale)) return output;
  const rows = (output.shape[0] ?? 2) / 2;
  const [unconditional, conditional] = op.split(g, output, [rows, rows], 0) as [Value, Value];
  return op.add(g, unconditional, op.mul(g, op.sub(g, conditional, unconditional), g.scalar(guidanceScale)));
}
