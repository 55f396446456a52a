/**
 * @file The output of a network that predicts the noise ε̂, as a velocity. Both say the same: the clean picture x̂_0 that
 * follows from them is equal.
 */
import type { DdimSchedule } from '../diffusion/noise-schedule.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { float32 } from '../tensor.js';
import type { WrappedInputs, Wrapping } from './wrap-denoiser.js';

/**
 * Makes a network predict v = √ᾱ_t·ε̂ - √(1-ᾱ_t)·x̂_0 with x̂_0 = (x_t - √(1-ᾱ_t)·ε̂)/√ᾱ_t (Salimans and Ho 2022), which is
 * v = (ε̂ - √(1-ᾱ_t)·x_t)/√ᾱ_t. Timesteps do not change.
 */
export function asVPrediction({ alphasCumprod }: DdimSchedule): Wrapping {
  return {
    after(g, { sample, timestep }, epsilon) {
      const at = timestep.type === 'float32' ? timestep.cast('int64') : timestep;
      const perRow = (values: Float64Array) => asFactor(table(g, values).gather(at.reshape([-1])));
      const signal = perRow(alphasCumprod.map(Math.sqrt));
      const noise = perRow(alphasCumprod.map((alphaProd) => Math.sqrt(1 - alphaProd)));
      return epsilon.sub(noise.mul(sample)).div(signal);
    },
  };
}

/**
 * Makes a network predict the velocity n - x_0 of flow matching, on x_σ = (1-σ)·x_0 + σ·n and the timestep σ·T.
 *
 * Equation: with s = √((1-σ)² + σ²), x_σ/s has the signal (1-σ)/s and the noise σ/s. The network gets x_σ/s and the
 * timestep t, any real number, with this noise: √((1-ᾱ_t)/ᾱ_t) = σ/(1-σ), between integers by a line in σ. Then
 *   x̂_0 = (x_σ - σ·ε̂)/(1-σ),  v = ε̂ - x̂_0.
 *
 * Noise levels that the model was not trained on: below the noise of timestep 0 it gets t = 0, and the formulas stay the
 * same. Above that of T - 1, up to pure noise at σ = 1 where they divide by zero, it gets T - 1, and x_σ/s counts as if it
 * had that little signal, as a DDIM sampler treats the noise that it starts from: x̂_0 = (x_σ/s - √(1-ᾱ)·ε̂)/√ᾱ and
 * v = (x_σ - x̂_0)/σ.
 */
export function asFlow(schedule: DdimSchedule): Wrapping {
  return {
    timestepType: 'float32',
    before(g, { sample, timestep }) {
      const level = noiseLevel(schedule, timestep);
      const told = matchingTimestep(g, schedule, level);
      return {
        sample: sample.div(asFactor(lengthOf(level))),
        timestep: told.reshape(timestep.shape.length === 0 ? [] : [-1]),
      };
    },
    after: (g, inputs, epsilon) => velocity(g, schedule, inputs, epsilon),
  };
}

function velocity(
  g: GraphBuilder,
  schedule: DdimSchedule,
  { sample, timestep }: WrappedInputs,
  epsilon: Expression,
): Expression {
  const one = g.scalar(1);
  const level = noiseLevel(schedule, timestep);
  const sigma = asFactor(level);
  const length = asFactor(lengthOf(level));
  const lastAlpha = schedule.alphasCumprod.at(-1)!;
  const mostNoise = g.scalar(noiseLevels(schedule).at(-1)!);

  // Signal and noise in sample / length, as far as the model knows them.
  const signal = one.sub(sigma).div(length).max(Math.sqrt(lastAlpha));
  const noise = sigma.div(length).min(Math.sqrt(1 - lastAlpha));
  const original = sample.div(length).sub(noise.mul(epsilon)).div(signal);
  const rest = sample.sub(one.sub(sigma).mul(original));
  const restNoise = rest.div(sigma);
  const wholeNoise = sigma.greater(mostNoise).where(restNoise, epsilon);
  return wholeNoise.sub(original);
}

/** σ [B, 1] of timesteps σ·T. */
function noiseLevel({ config }: DdimSchedule, timestep: Expression): Expression {
  return timestep.reshape([-1, 1]).div(config.numTrainTimesteps);
}

/** √((1-σ)² + σ²) [B, 1]. */
function lengthOf(level: Expression): Expression {
  const clean = level.subtractFrom(1);
  return clean.mul(clean).add(level.mul(level)).sqrt();
}

/** The timestep [B, 1] float32 in 0..T-1 whose noise level is σ [B, 1]: between the two integers around it, by a line. */
function matchingTimestep(g: GraphBuilder, schedule: DdimSchedule, level: Expression): Expression {
  const levels = noiseLevels(schedule);
  const below = level.greater(g.constant(float32(levels, [1, levels.length]))).cast('float32');
  const numBelow = below.reduceSum([1]);
  const lower = numBelow.sub(1).clip(0, levels.length - 2);
  const known = table(g, levels);
  const start = known.gather(lower.cast('int64'));
  const end = known.gather(lower.add(1).cast('int64'));
  const share = level.sub(start).div(end.sub(start));
  return lower.add(share.clip(0, 1));
}

/** σ of every timestep: σ/(1-σ) = √((1-ᾱ_t)/ᾱ_t). */
function noiseLevels({ alphasCumprod }: DdimSchedule): Float32Array {
  return Float32Array.from(alphasCumprod, (alphaProd) => {
    const [signal, noise] = [Math.sqrt(alphaProd), Math.sqrt(1 - alphaProd)];
    return noise / (signal + noise);
  });
}

const table = (g: GraphBuilder, values: Float64Array | Float32Array): Expression =>
  g.constant(float32(Float32Array.from(values), [values.length]));

/** One number a row as a factor of [B, C, H, W]. */
const asFactor = (perRow: Expression): Expression => perRow.reshape([-1, 1, 1, 1]);
