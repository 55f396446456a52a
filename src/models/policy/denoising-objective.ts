/** @file The objective of surrogates that are trained on sampled pictures, noised anew: the forward process. */

import type { Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import * as op from '../graph/ops/index.js';
import { linearCombination } from '../objectives/log-prob.js';
import type { DenoisingPolicy, DenoisingSurrogate } from '../objectives/surrogate.js';
import type { Objective, PolicyOutputs } from './objective.js';

/**
 * Adds Σ weight · surrogate over the rows. Further inputs: `cleanLatents` and `target` [M, C, H, W], and for every row
 * `latentsCoefficient` and `outputCoefficient` (x̂_0 = a₀ x_t + k₀ out), `signalScale` and `noiseScale`.
 */
export function denoisingObjective(
  g: GraphBuilder,
  surrogate: DenoisingSurrogate,
  outputs: PolicyOutputs,
  latents: Value,
): Objective {
  const [rows = 1] = latents.shape;
  const perRow = (name: string) => g.input(name, 'float32', [rows]);
  const [a, k] = [perRow('latentsCoefficient'), perRow('outputCoefficient')];
  const policyOf = (modelOutput: Value): DenoisingPolicy => ({
    modelOutput,
    cleanPrediction: linearCombination(g, a, latents, k, modelOutput),
  });
  const losses = surrogate.loss(g, {
    policy: policyOf(outputs.policy),
    ...(outputs.old && { old: policyOf(outputs.old) }),
    ...(outputs.pretrained && { pretrained: policyOf(outputs.pretrained) }),
    cleanLatents: g.input('cleanLatents', 'float32', latents.shape),
    target: g.input('target', 'float32', latents.shape),
    signalScale: perRow('signalScale'),
    noiseScale: perRow('noiseScale'),
    advantage: perRow('advantage'),
  });
  return { loss: op.sumAll(g, op.mul(g, losses, perRow('weight'))), diagnostics: {} };
}
