/** @file Figures about the training of one round. */

import { at } from '../../at.js';
import type { TrainingRow } from './training-rows.js';

export interface TrainingStatistics {
  readonly optimizerSteps: number;
  /** (sample, step) rows that went forward and backward, once for every epoch; padding is left out. */
  readonly trainedRows: number;
  /** Mean of the updates' losses, each the surrogate's mean over its (sample, step) rows. */
  readonly policyLoss: number;
  /** Mean of the updates' L2 norms of all gradients together, before clipping. */
  readonly gradNorm: number;
  /**
   * By sampler step, 0 the noisiest, the root mean square of the denoiser's gradient norms in single runs of the training graph,
   * weights of the loss included: how much each step adds to the gradient. Null if no run held rows of that step alone.
   */
  readonly gradNormByStep: readonly (number | null)[];
  /** Share of (sample, step) rows whose ratio lay outside the clip range; 0 where the surrogate clips nothing. */
  readonly clipFraction: number;
  /** The same by sampler step; 0 for steps that were not trained. */
  readonly clipFractionByStep: readonly number[];
  /** Mean of ½ (logProb - oldLogProb)² (Schulman's k2), log-probs being means over dimensions. */
  readonly approxKl: number;
  /** Largest |ratio - 1| before the round's first optimizer step: where sampler and trainer disagree, 0 up to rounding. */
  readonly maxRatioDeviation: number;
  /** Mean of |ratio - 1| over all rows: how far the updates moved from the policy that sampled. */
  readonly meanRatioDeviation: number;
  /**
   * Mean exact KL of one step to the pretrained model, in nats, over the steps with a weight in the loss; null if the
   * training graph does not compute it.
   */
  readonly klToPretrained: number | null;
  /** Mean loss of the value network; null where there is none. */
  readonly valueLoss: number | null;
  /** In half precision; absent in single. */
  readonly lossScaling?: LossScaling;
}

export interface LossScaling {
  /** What the loss of the next update is multiplied by. */
  readonly scale: number;
  /** Updates skipped because a gradient was not finite; the other figures leave them out. */
  readonly skippedUpdates: number;
}

export type TrainingStatisticsCollector = ReturnType<typeof createTrainingStatistics>;

/** Collects the statistics of one round. */
export function createTrainingStatistics(clipRange: number | null, numInferenceSteps: number) {
  const clipped = new Float64Array(numInferenceSteps);
  const seen = new Float64Array(numInferenceSteps);
  const squaredNorms = new Float64Array(numInferenceSteps);
  const runs = new Float64Array(numInferenceSteps);
  let [updates, skippedUpdates, lossSum, normSum] = [0, 0, 0, 0];
  let trainedRows = 0;
  let [squaredLogRatios, ratioDeviations, maxRatioDeviation] = [0, 0, 0];
  let [klSum, klRows] = [0, 0];
  let valueLoss: number | null = null;
  const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);

  const addRatio = (step: number, ratio: number) => {
    const deviation = Math.abs(ratio - 1);
    seen[step]! += 1;
    if (clipRange !== null && deviation > clipRange) clipped[step]! += 1;
    squaredLogRatios += Math.log(ratio) ** 2;
    ratioDeviations += deviation;
    if (updates === 0) maxRatioDeviation = Math.max(maxRatioDeviation, deviation);
  };
  return {
    /** Diagnostics of one run, one number a row; rows of weight 0 are padding. */
    addRows(
      rows: readonly TrainingRow[],
      { ratios, kls }: { readonly [Name in 'ratios' | 'kls']?: Float32Array | undefined },
    ): void {
      for (const [index, { step, weight }] of rows.entries()) {
        if (weight === 0) continue;
        trainedRows += 1;
        if (ratios && step !== null) addRatio(step, at(ratios, index));
        if (kls) {
          klSum += at(kls, index);
          klRows += 1;
        }
      }
    },
    /** The gradient norm of one run. It counts if it is finite and all rows are of one step. */
    addRun(rows: readonly TrainingRow[], norm: number): void {
      if (!Number.isFinite(norm)) return;
      const steps = new Set(rows.filter(({ weight }) => weight > 0).map(({ step }) => step));
      const [step] = steps;
      if (steps.size !== 1 || step === undefined || step === null) return;
      squaredNorms[step]! += norm ** 2;
      runs[step]! += 1;
    },
    addUpdate(loss: number, gradNorm: number): void {
      updates += 1;
      lossSum += loss;
      normSum += gradNorm;
    },
    addSkippedUpdate(): void {
      skippedUpdates += 1;
    },
    addValueLoss(loss: number): void {
      valueLoss = loss;
    },
    /** `scale` is the loss scale; null in single precision. */
    result(scale: number | null = null): TrainingStatistics {
      const rows = Math.max(1, total(seen));
      return {
        optimizerSteps: updates,
        trainedRows,
        policyLoss: lossSum / Math.max(1, updates),
        gradNorm: normSum / Math.max(1, updates),
        gradNormByStep: Array.from(runs, (count, step) =>
          count === 0 ? null : Math.sqrt(at(squaredNorms, step) / count),
        ),
        clipFraction: total(clipped) / rows,
        clipFractionByStep: Array.from(clipped, (count, step) => count / Math.max(1, at(seen, step))),
        approxKl: (0.5 * squaredLogRatios) / rows,
        maxRatioDeviation,
        meanRatioDeviation: ratioDeviations / rows,
        klToPretrained: klRows === 0 ? null : klSum / klRows,
        valueLoss,
        ...(scale !== null && { lossScaling: { scale, skippedUpdates } }),
      };
    },
  };
}
