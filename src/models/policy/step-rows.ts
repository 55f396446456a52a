/** @file Rows for surrogates of denoising steps: every trained step of every sample, or of every pair of samples. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { requireLogProb, type StepCoefficients } from '../diffusion/step-coefficients.js';
import type { Transition } from './replay-buffer.js';
import type { RowUnit, TrainingRow, TrainingSample } from './training-rows.js';

/** How the steps of a round are trained. */
export interface StepPlan {
  readonly coefficients: readonly StepCoefficients[];
  readonly trainedSteps: readonly number[];
  /** Weight of every sampler step in the loss: see `stepWeights`. */
  readonly weights: readonly number[];
}

/** Returns the trained steps of a sample's own path, in order, each with the advantage of its edge as its reward. */
export function transitionsOf(
  { prompt, negativePrompt, advantage, stepAdvantages, trajectory }: TrainingSample,
  trainedSteps: readonly number[],
  policyVersion: number,
): Transition[] {
  const { firstStep, latents, logProbs, latentShape } = trajectory;
  const rowSize = latents.length / (logProbs.length + 1);
  return trainedSteps
    .filter((step) => step >= firstStep)
    .map((step) => {
      const index = step - firstStep;
      return {
        prompt,
        ...(negativePrompt !== undefined && { negativePrompt }),
        ...(latentShape && { latentShape }),
        step,
        latents: latents.subarray(index * rowSize, (index + 1) * rowSize),
        nextLatents: latents.subarray((index + 1) * rowSize, (index + 2) * rowSize),
        logProb: at(logProbs, index),
        reward: stepAdvantages ? at(stepAdvantages, index) : advantage,
        policyVersion,
      };
    });
}

/**
 * Returns rows of transitions, sorted by step: their order does not matter to the sum, and rows of one step fill the runs
 * of models that take one timestep. A row weighs its step's weight over the number of transitions; rows of weight 0 are
 * left out. The advantage is the reward of a transition minus the baseline, if there is one.
 */
export function transitionUnits(
  transitions: readonly Transition[],
  baselines: Float32Array | null,
  plan: StepPlan,
): RowUnit[] {
  const weights = weightsOf(plan);
  return transitions
    .map((transition, index) => ({
      transition,
      advantage: transition.reward - (baselines ? at(baselines, index) : 0),
    }))
    .sort((a, b) => a.transition.step - b.transition.step)
    .flatMap(({ transition, advantage }) => {
      const weight = at(weights, transition.step) / transitions.length;
      return weight > 0 ? [[rowOf(transition, advantage, weight, plan)]] : [];
    });
}

/** Returns pairs of rows: the same step of the preferred and of the rejected sample, for the steps on both paths. */
export function pairUnits(
  pairs: readonly (readonly [preferred: TrainingSample, rejected: TrainingSample])[],
  plan: StepPlan,
): RowUnit[] {
  const weights = weightsOf(plan);
  const matched = pairs.flatMap((pair) => {
    const [preferred = [], rejected = []] = pair.map((sample) => transitionsOf(sample, plan.trainedSteps, 0));
    return preferred.flatMap((win) => {
      const lose = rejected.find(({ step }) => step === win.step);
      return lose ? [[win, lose] as const] : [];
    });
  });
  return matched
    .sort(([a], [b]) => a.step - b.step)
    .flatMap(([win, lose]) => {
      const weight = at(weights, win.step) / matched.length;
      return weight > 0
        ? [[win, lose].map((transition) => rowOf(transition, transition.reward, weight, plan))]
        : [];
    });
}

/** Returns the best and the worst sample of every group by advantage; groups of equal advantages give no pair. */
export function preferencePairs(
  samples: readonly TrainingSample[],
): (readonly [preferred: TrainingSample, rejected: TrainingSample])[] {
  const groups = new Map<string, TrainingSample[]>();
  for (const sample of samples) groups.set(sample.groupId, [...(groups.get(sample.groupId) ?? []), sample]);
  return [...groups.values()].flatMap((group) => {
    const sorted = [...group].sort((a, b) => b.advantage - a.advantage);
    const [best, worst] = [sorted[0], sorted.at(-1)];
    return best && worst && best.advantage > worst.advantage ? [[best, worst] as const] : [];
  });
}

function weightsOf({ coefficients, trainedSteps, weights }: StepPlan): readonly number[] {
  requireLogProb(coefficients, trainedSteps);
  return weights;
}

function rowOf(
  { prompt, negativePrompt, latentShape, step, latents, nextLatents, logProb }: Transition,
  advantage: number,
  weight: number,
  { coefficients }: StepPlan,
): TrainingRow {
  const coefficient = coefficients[step];
  if (!coefficient) {
    throw new TributaryError(
      'TRIB_INTERNAL',
      `sampler step ${step}: expected one of ${coefficients.length}, got another. Train with the sampler's numInferenceSteps.`,
    );
  }
  const { timestep, sampleCoefficient, outputCoefficient, stdDevT } = coefficient;
  return {
    prompt,
    ...(negativePrompt !== undefined && { negativePrompt }),
    ...(latentShape && { latentShape }),
    step,
    timestep,
    weight,
    advantage,
    scalars: { sampleCoefficient, outputCoefficient, stdDevT, oldLogProb: logProb },
    latents: () => ({ sample: latents, nextLatents }),
  };
}
