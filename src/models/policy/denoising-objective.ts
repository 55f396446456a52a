/** @file The objective of surrogates that are trained on sampled pictures, noised anew: the forward process. */

import { at } from '../../at.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { linearCombination } from '../objectives/log-prob.js';
import type { DenoisingPolicy, DenoisingSurrogate } from '../objectives/surrogate.js';
import type { Objective, PolicyOutputs } from './step-objective.js';

/**
 * Adds Σ weight · surrogate over the rows, or over the pairs of rows. Further inputs: `cleanLatents` and `target` [M, C, H, W], and for every row
 * `latentsCoefficient` and `outputCoefficient` (x̂_0 = a₀ x_t + k₀ out), `signalScale` and `noiseScale`.
 */
export function denoisingObjective(
  g: GraphBuilder,
  surrogate: DenoisingSurrogate,
  outputs: PolicyOutputs,
  latents: Expression,
): Objective {
  const [rows = 1] = latents.shape;
  const perRow = (name: string) => g.input(name, 'float32', [rows]);
  const [a, k] = [perRow('latentsCoefficient'), perRow('outputCoefficient')];
  const policyOf = (modelOutput: Expression): DenoisingPolicy => ({
    modelOutput,
    cleanPrediction: linearCombination(a, latents, k, modelOutput),
  });
  const losses = surrogate.loss({
    policy: policyOf(outputs.policy),
    ...(outputs.old && { old: policyOf(outputs.old) }),
    ...(outputs.pretrained && { pretrained: policyOf(outputs.pretrained) }),
    cleanLatents: g.input('cleanLatents', 'float32', latents.shape),
    target: g.input('target', 'float32', latents.shape),
    signalScale: perRow('signalScale'),
    noiseScale: perRow('noiseScale'),
    advantage: perRow('advantage'),
  });
  const weights = perRow('weight').slice({ starts: [0], ends: [at(losses.shape, 0)], axes: [0] });
  return { loss: losses.mul(weights).sumAll(), diagnostics: {} };
}
