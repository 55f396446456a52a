/** @file Gradient descent from scratch: AdamW with warm-up and cosine decay, and an average of the weights. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { inOrder } from '../engines/chunks.js';
import type { Executable } from '../engines/contract/engine.js';
import { initializeWeights } from '../networks/weights.js';
import { type AdamWState, adamWStep, initialAdamWState, type NamedArrays } from '../optimizers/adamw.js';
import { clipGradNorm } from '../optimizers/clip-grad-norm.js';
import { counterRandom } from '../random/counter-random.js';
import { elementCount, float32, float32Data, type Tensor } from '../tensor.js';
import { gradientName, type Trainee } from './trainee.js';

export interface FitOptions {
  readonly seed: number;
  readonly numSteps: number;
  readonly learningRate: number;
  /** Steps over which the learning rate grows from zero. */
  readonly warmupSteps: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  /** Decay of the average of the weights, which is what is exported; smaller in the first steps. */
  readonly averageDecay: number;
}

export interface FitState {
  /** Steps taken. */
  readonly step: number;
  readonly weights: NamedArrays;
  readonly average: NamedArrays;
  readonly optimizer: AdamWState;
}

/** Fresh weights and a fresh optimizer. */
export function initialFitState(trainee: Trainee, seed: number): FitState {
  const tensors = initializeWeights(trainee.weights, (index, count) =>
    counterRandom({ seed, purpose: 'parameter-init', group: index }).normal(count),
  );
  const weights = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
  return { step: 0, weights, average: weights, optimizer: initialAdamWState(weights) };
}

/** Takes one step; returns the new state and the loss before it. Errors: TRIB_ENGINE if the gradient is not finite. */
export async function fitStep(
  executable: Executable,
  trainee: Trainee,
  state: FitState,
  options: FitOptions,
): Promise<{ state: FitState; loss: number }> {
  await executable.hold(weightFeeds(trainee, state.weights));
  const { loss, gradients } = await meanGradients(executable, trainee, state.step);
  const clipped = clipGradNorm(gradients, options.maxGradNorm);
  if (!Number.isFinite(clipped.gradNorm)) {
    const text = `${trainee.label} step ${state.step}: expected a finite gradient, got one with NaN or Infinity. Resume from the last checkpoint with a smaller learningRate.`;
    throw new TributaryError('TRIB_ENGINE', text);
  }
  const { parameters, state: optimizer } = adamWStep(state.weights, clipped.gradients, state.optimizer, {
    learningRate: learningRateAt(state.step, options),
    weightDecay: options.weightDecay,
  });
  const decay = Math.min(options.averageDecay, (1 + state.step) / (10 + state.step));
  const average = Object.fromEntries(
    Object.entries(parameters).map(([name, values]) => [
      name,
      mix(named(state.average, name), values, decay),
    ]),
  );
  return {
    state: { step: state.step + 1, weights: parameters, average, optimizer },
    loss,
  };
}

/** Loss and gradients of a step: the mean over its runs, added up in their order. */
async function meanGradients(executable: Executable, trainee: Trainee, step: number) {
  const runs = trainee.batch(step);
  const sums = trainee.weights.map(({ shape }) => new Float64Array(elementCount(shape)));
  let loss = 0;
  for await (const outputs of inOrder(runs, runs.length, (feeds) => executable.run(feeds))) {
    loss += at(float32Data(outputs.loss, 'loss'), 0) / runs.length;
    for (const [index, { name }] of trainee.weights.entries()) {
      const [sum, gradient] = [at(sums, index), float32Data(outputs[gradientName(name)], gradientName(name))];
      for (let i = 0; i < sum.length; i++) sum[i]! += gradient[i]! / runs.length;
    }
  }
  const gradients = trainee.weights.map(
    ({ name }, index) => [name, Float32Array.from(at(sums, index))] as const,
  );
  return { loss, gradients: Object.fromEntries(gradients) };
}

/** Linear warm-up, then half a cosine down to 2 % of the learning rate. */
export function learningRateAt(step: number, { learningRate, warmupSteps, numSteps }: FitOptions): number {
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, numSteps - warmupSteps);
  return learningRate * (0.02 + 0.98 * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress))));
}

/** Returns the weights as tensors of the shapes that the trainee asks for. */
export function weightFeeds(trainee: Trainee, weights: NamedArrays): Record<string, Tensor> {
  return Object.fromEntries(
    trainee.weights.map(({ name, shape }) => [name, float32(named(weights, name), shape)]),
  );
}

function mix(average: Float32Array, values: Float32Array, decay: number): Float32Array {
  return average.map((value, index) => decay * value + (1 - decay) * values[index]!);
}

function named(arrays: NamedArrays, name: string): Float32Array {
  const array = arrays[name];
  if (array) return array;
  const text = `weight "${name}": expected it in the checkpoint, got none. Remove the checkpoint, and start again.`;
  throw new TributaryError('TRIB_CHECKPOINT', text);
}
