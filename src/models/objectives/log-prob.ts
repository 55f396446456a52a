/** @file The log-prob of a denoising step as a graph expression; the same formula as diffusion/ddim-step.ts computes in numbers. */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/graph.js';
import * as op from '../graph/ops/index.js';

export interface StepValues {
  /** x_i and x_{i+1}, [M, C, H, W]. */
  readonly latents: Value;
  readonly nextLatents: Value;
  /** Guided network output, [M, C, H, W]. */
  readonly modelOutput: Value;
  /** a, k and σ of every row's step, [M]. */
  readonly sampleCoefficient: Value;
  readonly outputCoefficient: Value;
  readonly stdDevT: Value;
}

/**
 * log π(x_{i+1} | x_i) [M]: the **mean** over dimensions of -(x_{i+1} - μ)² / (2σ²) - ln σ - ½ ln 2π, with μ = a x_i + k out
 * (ddpo-pytorch, B²-DiffuRL, DPOK). x_{i+1} is a constant: gradient flows through μ alone.
 */
export function stepLogProbExpression(g: GraphBuilder, step: StepValues): Value {
  const rank = step.latents.shape.length;
  const [rows = 1] = step.latents.shape;
  const perRow = (value: Value) => op.reshape(g, value, [rows, ...Array.from({ length: rank - 1 }, () => 1)]);
  const mean = op.add(
    g,
    op.mul(g, perRow(step.sampleCoefficient), step.latents),
    op.mul(g, perRow(step.outputCoefficient), step.modelOutput),
  );
  const difference = op.sub(g, step.nextLatents, mean);
  const axes = Array.from({ length: rank - 1 }, (_, axis) => axis + 1);
  const squared = op.reduceMean(g, op.mul(g, difference, difference), axes, false);
  const variance = op.mul(g, step.stdDevT, step.stdDevT);
  const exponent = op.div(g, op.mul(g, squared, g.scalar(-0.5)), variance);
  return op.sub(g, op.sub(g, exponent, op.log(g, step.stdDevT)), g.scalar(0.5 * Math.log(2 * Math.PI)));
}

/** eps_uncond + w (eps_cond - eps_uncond); the rows of `output` are the unconditional ones, then the conditional ones. */
export function guidedExpression(g: GraphBuilder, output: Value, guidanceScale: number): Value {
  if (guidanceScale === 1) return output;
  const rows = (output.shape[0] ?? 2) / 2;
  const [unconditional, conditional] = op.split(g, output, [rows, rows], 0) as [Value, Value];
  return op.add(g, unconditional, op.mul(g, op.sub(g, conditional, unconditional), g.scalar(guidanceScale)));
}
