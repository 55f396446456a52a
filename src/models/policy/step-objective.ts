/** @file The objective of surrogates that are trained on steps of trajectories, or on pairs of such steps. */

import type { Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import * as op from '../graph/ops/index.js';
import { type StepTransition, stepPolicy } from '../objectives/log-prob.js';
import { stepKl } from '../objectives/step-kl.js';
import type { PairSurrogate, StepSurrogate } from '../objectives/surrogate.js';
import type { Objective, PolicyOutputs } from './objective.js';

/** Graph inputs that hold one number a row, beside `advantage` and `weight`. */
export const STEP_SCALARS = ['sampleCoefficient', 'outputCoefficient', 'stdDevT', 'oldLogProb'] as const;

/**
 * Adds Σ weight · surrogate over the rows. Further inputs: `nextLatents`, and the scalars above. Diagnostics: `ratio`,
 * exp(log π - log π_old); and `klToPretrained` where the pretrained model takes part, Σ_D (μ - μ_pre)² / (2σ²): the exact
 * KL divergence of the step, in nats.
 */
export function stepObjective(
  g: GraphBuilder,
  surrogate: StepSurrogate | PairSurrogate,
  outputs: PolicyOutputs,
  latents: Value,
): Objective {
  const [rows = 1, ...rest] = latents.shape;
  const perRow = (name: string) => g.input(name, 'float32', [rows]);
  const step: StepTransition = {
    latents,
    nextLatents: g.input('nextLatents', 'float32', latents.shape),
    sampleCoefficient: perRow('sampleCoefficient'),
    outputCoefficient: perRow('outputCoefficient'),
    stdDevT: perRow('stdDevT'),
  };
  const oldLogProb = perRow('oldLogProb');
  const policy = stepPolicy(g, step, outputs.policy);
  const old = outputs.old && stepPolicy(g, step, outputs.old);
  const pretrained = outputs.pretrained && stepPolicy(g, step, outputs.pretrained);
  const { stdDevT, outputCoefficient } = step;
  const losses = surrogate.loss(g, {
    policy,
    ...(old && { old }),
    ...(pretrained && { pretrained }),
    oldLogProb,
    advantage: perRow('advantage'),
    stdDevT,
    outputCoefficient,
  });
  const weights = op.slice(g, perRow('weight'), { starts: [0], ends: [losses.shape[0] ?? 1], axes: [0] });
  const dimensions = rest.reduce((product, size) => product * size, 1);
  return {
    loss: op.sumAll(g, op.mul(g, losses, weights)),
    diagnostics: {
      ratio: op.exp(g, op.sub(g, policy.logProb, oldLogProb)),
      ...(pretrained && {
        klToPretrained: op.mul(g, stepKl(g, policy, pretrained, stdDevT), g.scalar(dimensions)),
      }),
    },
  };
}
