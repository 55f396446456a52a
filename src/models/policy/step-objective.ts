/** @file The objective of surrogates that are trained on steps of trajectories, or on pairs of such steps. */

import { at } from '../../at.js';
import type { LogProbKind } from '../diffusion/ddim-step.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { type StepTransition, stepKl, stepPolicy } from '../objectives/log-prob.js';
import type { PairSurrogate, ReferencePolicy, StepSurrogate } from '../objectives/surrogate.js';

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

/**
 * Adds Σ weight · surrogate over the rows. Further inputs: `nextLatents`, and one number per row: `sampleCoefficient`,
 * `outputCoefficient`, `stdDevT` and `oldLogProb`. Diagnostics: `ratio`,
 * exp(log π - log π_old); and `klToPretrained` where the pretrained model takes part, Σ_D (μ - μ_pre)² / (2σ²): the exact
 * KL divergence of the step, in nats.
 */
export function stepObjective(
  g: GraphBuilder,
  surrogate: StepSurrogate | PairSurrogate,
  outputs: PolicyOutputs,
  latents: Expression,
  logProbKind?: LogProbKind,
): Objective {
  const [rows = 1, ...rest] = latents.shape;
  const perRow = (name: string) => g.input(name, 'float32', [rows]);
  const step: StepTransition = {
    latents,
    nextLatents: g.input('nextLatents', 'float32', latents.shape),
    sampleCoefficient: perRow('sampleCoefficient'),
    outputCoefficient: perRow('outputCoefficient'),
    stdDevT: perRow('stdDevT'),
    logProbKind,
  };
  const oldLogProb = perRow('oldLogProb');
  const policy = stepPolicy(step, outputs.policy);
  const old = outputs.old && stepPolicy(step, outputs.old);
  const pretrained = outputs.pretrained && stepPolicy(step, outputs.pretrained);
  const { stdDevT, outputCoefficient } = step;
  const losses = surrogate.loss({
    policy,
    ...(old && { old }),
    ...(pretrained && { pretrained }),
    oldLogProb,
    advantage: perRow('advantage'),
    stdDevT,
    outputCoefficient,
  });
  const weights = perRow('weight').slice({ starts: [0], ends: [at(losses.shape, 0)], axes: [0] });
  const dimensions = rest.reduce((product, size) => product * size, 1);
  return {
    loss: losses.mul(weights).sumAll(),
    diagnostics: {
      ratio: policy.logProb.sub(oldLogProb).exp(),
      ...(pretrained && { klToPretrained: stepKl(policy, pretrained, stdDevT).mul(dimensions) }),
    },
  };
}
