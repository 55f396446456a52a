/** @file What is watched while a policy is trained. */

import type { Trajectory } from '../diffusion/sampler.js';

export interface TrainingStatistics {
  readonly optimizerSteps: number;
  /** Mean of the updates' losses. */
  readonly policyLoss: number;
  /** Mean of the updates' gradient norms before clipping. */
  readonly gradNorm: number;
  /** Share of (sample, step) pairs whose ratio lay outside the clip range. */
  readonly clipFraction: number;
  /** The same by sampler step; 0 for steps that were not trained. */
  readonly clipFractionByStep: readonly number[];
  /** Mean of ½ (logProb - oldLogProb)² (Schulman's k2), log-probs being means over dimensions. */
  readonly approxKl: number;
  /** Largest |ratio - 1| before the first optimiser step of the stage: what the sampler and the trainer disagree by. */
  readonly maxRatioDeviation: number;
}

interface RatioOwner {
  readonly step: number;
  readonly sample: { readonly trajectory: Trajectory };
}

/** Collects the statistics of one training stage. */
export function createTrainingStatistics(clipRange: number, numInferenceSteps: number) {
  const clipped = new Float64Array(numInferenceSteps);
  const seen = new Float64Array(numInferenceSteps);
  let [updates, lossSum, normSum, squaredLogRatios, maxRatioDeviation] = [0, 0, 0, 0, 0];
  const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
  return {
    /** Ratios of the pairs of one minibatch; further ratios are padding. */
    addRatios(pairs: readonly RatioOwner[], ratios: Float32Array): void {
      for (const [row, { step }] of pairs.entries()) {
        const ratio = ratios[row] ?? Number.NaN;
        const deviation = Math.abs(ratio - 1);
        seen[step] = (seen[step] ?? 0) + 1;
        if (deviation > clipRange) clipped[step] = (clipped[step] ?? 0) + 1;
        squaredLogRatios += Math.log(ratio) ** 2;
        if (updates === 0) maxRatioDeviation = Math.max(maxRatioDeviation, deviation);
      }
    },
    addUpdate(loss: number, gradNorm: number): void {
      updates += 1;
      lossSum += loss;
      normSum += gradNorm;
    },
    result(): TrainingStatistics {
      const pairs = Math.max(1, total(seen));
      return {
        optimizerSteps: updates,
        policyLoss: lossSum / Math.max(1, updates),
        gradNorm: normSum / Math.max(1, updates),
        clipFraction: total(clipped) / pairs,
        clipFractionByStep: Array.from(clipped, (count, step) => count / Math.max(1, seen[step] ?? 0)),
        approxKl: (0.5 * squaredLogRatios) / pairs,
        maxRatioDeviation,
      };
    },
  };
}
