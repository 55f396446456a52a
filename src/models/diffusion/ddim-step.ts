/**
 * @file One denoising step as an action of a Gaussian policy: its mean, its draw, the draw's log-prob. The training
 * graph computes `prevSampleMean` and `stepLogProb` too: change both together.
 */
import { TributaryError } from '../../errors.js';
import { roundToFloat16 } from '../numeric/float16.js';
import type { StepCoefficients } from './step-coefficients.js';

/**
 * What stands for the log-prob of a step, a mean over dimensions: that of its Gaussian, or minus the squared distance to its
 * mean, without variance and constants, as released programs take it for `cps`. Ratios of the two are on different scales:
 * the second is 2σ² times the first.
 */
export type LogProbKind = 'gaussian' | 'squared-distance';

interface DdimStepInput {
  /** x_i [B, ...] float32, flattened. */
  readonly latents: Float32Array;
  /** The network's output on them, after guidance: same length. */
  readonly modelOutput: Float32Array;
  /** Draws from N(0, 1), same length; null where the step is deterministic (stdDevT 0). */
  readonly noise: Float32Array | null;
  readonly coefficients: StepCoefficients;
  readonly batchSize: number;
  /** How the next latents will be stored; default float32. */
  readonly storage?: 'float32' | 'float16';
  /** Default `gaussian`. */
  readonly logProb?: LogProbKind;
}

interface DdimStepOutput {
  /** x_{i+1} [B, ...] float32, already rounded to what the storage can hold. */
  readonly nextLatents: Float32Array;
  /** μ [B, ...] float32. */
  readonly prevSampleMean: Float32Array;
  /** Log-prob of `nextLatents` [B], mean over dimensions; null where the step is deterministic. */
  readonly logProb: Float32Array | null;
}

/**
 * Takes one sampler step for a batch: x_{i+1} = μ + σ·n. Coefficients are float64; every stored value is rounded once, to
 * float32.
 *
 * With `storage: 'float16'` the next latents are rounded first, and the log-prob is that of the rounded value, which is
 * what training sees.
 *
 * Departure: ddpo-pytorch and B²-DiffuRL take the log-prob before they round; at the last steps this shifts it by more than
 * a clip range of 1e-4.
 *
 * Errors: TRIB_INTERNAL if lengths do not fit, or noise is missing for a noisy step.
 */
export function ddimStep(input: DdimStepInput): DdimStepOutput {
  const { latents, modelOutput, noise, coefficients, batchSize, storage = 'float32' } = input;
  const mean = prevSampleMean(latents, modelOutput, coefficients);
  const { stdDevT } = coefficients;
  if (stdDevT > 0) requireLength('noise', noise?.length, latents.length);
  const nextLatents = new Float32Array(mean.length);
  for (let i = 0; i < mean.length; i++) {
    nextLatents[i] = stdDevT > 0 ? mean[i]! + stdDevT * noise![i]! : mean[i]!;
  }
  if (storage === 'float16') {
    for (let i = 0; i < mean.length; i++) nextLatents[i] = roundToFloat16(nextLatents[i]!);
  }
  const logProb = stdDevT > 0 ? stepLogProb(nextLatents, mean, stdDevT, batchSize, input.logProb) : null;
  return { nextLatents, prevSampleMean: mean, logProb };
}

/** Returns the policy's mean μ = a·latents + k·modelOutput, float32, all of one length. See `ddimCoefficients`. */
export function prevSampleMean(
  latents: Float32Array,
  modelOutput: Float32Array,
  { sampleCoefficient, outputCoefficient }: StepCoefficients,
): Float32Array {
  requireLength('modelOutput', modelOutput.length, latents.length);
  const mean = new Float32Array(latents.length);
  for (let i = 0; i < mean.length; i++)
    mean[i] = sampleCoefficient * latents[i]! + outputCoefficient * modelOutput[i]!;
  return mean;
}

/**
 * Returns the log-prob of next latents under the step's Gaussian: the mean over dimensions, not the sum.
 *
 * Equation: mean over D of -(x_{i+1} - μ)²/(2σ²) - ln σ - ½·ln 2π, as in ddpo-pytorch, B²-DiffuRL and DPOK. So a ratio
 * exp(logProb - oldLogProb) is the D-th root of the true one. `squared-distance` is mean over D of -(x_{i+1} - μ)² alone.
 * Shapes: `nextLatents`, `mean` [B, ...] float32; returns [B] float32, summed in float64.
 */
export function stepLogProb(
  nextLatents: Float32Array,
  mean: Float32Array,
  stdDevT: number,
  batchSize: number,
  kind: LogProbKind = 'gaussian',
): Float32Array {
  const constant = Math.log(stdDevT) + 0.5 * Math.log(2 * Math.PI);
  const squared = meanSquaredDifference(nextLatents, mean, batchSize);
  if (kind === 'squared-distance') return Float32Array.from(squared, (value) => -value);
  return Float32Array.from(squared, (value) => -value / (2 * stdDevT ** 2) - constant);
}

/**
 * Returns the exact KL divergence between two policies at one step: nats, for the whole picture (a sum over D).
 *
 * Equation: KL = D · W · mean((out_new - out_old)²) / 2, with W = (k/σ)² (both Gaussians share σ); symmetric.
 * Shapes: outputs [B, ...] float32 after guidance, on the same latents; returns [B] float32.
 */
export function stepKl(
  newOutput: Float32Array,
  oldOutput: Float32Array,
  { klWeight }: StepCoefficients,
  batchSize: number,
): Float32Array {
  const numDimensions = newOutput.length / batchSize;
  const squared = meanSquaredDifference(newOutput, oldOutput, batchSize);
  return Float32Array.from(squared, (value) => (value === 0 ? 0 : (numDimensions * klWeight * value) / 2));
}

function meanSquaredDifference(left: Float32Array, right: Float32Array, batchSize: number): Float64Array {
  requireLength('values', right.length, left.length);
  const numDimensions = left.length / batchSize;
  if (!Number.isInteger(numDimensions) || numDimensions < 1) {
    const text = `DDIM step batchSize: expected a divisor of ${left.length} values, got ${batchSize}. Count the latents' rows.`;
    throw new TributaryError('TRIB_INTERNAL', text);
  }
  const means = new Float64Array(batchSize);
  for (let row = 0; row < batchSize; row++) {
    let sum = 0;
    for (let i = row * numDimensions; i < (row + 1) * numDimensions; i++) sum += (left[i]! - right[i]!) ** 2;
    means[row] = sum / numDimensions;
  }
  return means;
}

function requireLength(name: string, length: number | undefined, expected: number): void {
  if (length === expected) return;
  const text = `DDIM step ${name}: expected ${expected} values as in latents, got ${length ?? 'none'}. Pass arrays of one batch.`;
  throw new TributaryError('TRIB_INTERNAL', text);
}
