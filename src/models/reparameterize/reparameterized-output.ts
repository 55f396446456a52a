/**
 * @file What a network that predicts the noise ε̂ says as a velocity. Both forms hold the same knowledge: the picture that
 * an output speaks of, x̂_0, is the same.
 */
import type { DdimSchedule } from '../diffusion/noise-schedule.js';
import type { Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import * as op from '../graph/ops/index.js';
import { float32 } from '../tensor.js';
import type { WrappedInputs, Wrapping } from './wrap-denoiser.js';

/**
 * Makes a network predict v = √ᾱ_t·ε̂ - √(1-ᾱ_t)·x̂_0 with x̂_0 = (x_t - √(1-ᾱ_t)·ε̂)/√ᾱ_t (Salimans and Ho 2022), which is
 * v = (ε̂ - √(1-ᾱ_t)·x_t)/√ᾱ_t. Timesteps stay what they are.
 */
export function asVPrediction({ alphasCumprod }: DdimSchedule): Wrapping {
  return {
    after(g, { sample, timestep }, epsilon) {
      const at = timestep.type === 'float32' ? op.cast(g, timestep, 'int64') : timestep;
      const perRow = (values: Float64Array) =>
        asFactor(g, op.gather(g, table(g, values), op.reshape(g, at, [-1])));
      const signal = perRow(alphasCumprod.map(Math.sqrt));
      const noise = perRow(alphasCumprod.map((alphaProd) => Math.sqrt(1 - alphaProd)));
      return op.div(g, op.sub(g, epsilon, op.mul(g, noise, sample)), signal);
    },
  };
}

/**
 * Makes a network predict the velocity n - x_0 of flow matching, on x_σ = (1-σ)·x_0 + σ·n and the timestep σ·T.
 *
 * Equation: with s = √((1-σ)² + σ²), x_σ/s has the signal (1-σ)/s and the noise σ/s. The network is given x_σ/s and the
 * timestep t, any real number, of this noise: √((1-ᾱ_t)/ᾱ_t) = σ/(1-σ), between integers by a line in σ. Then
 *   x̂_0 = (x_σ - σ·ε̂)/(1-σ),  v = ε̂ - x̂_0.
 *
 * **Where the model was not trained**: below the noise of timestep 0 it is told t = 0, and the formulas stay as they are.
 * Above that of T - 1, up to pure noise at σ = 1 where they divide by zero, it is told T - 1, and x_σ/s is read as if it
 * held that little signal, as a DDIM sampler reads the noise that it starts from: x̂_0 = (x_σ/s - √(1-ᾱ)·ε̂)/√ᾱ and
 * v = (x_σ - x̂_0)/σ.
 */
export function asFlow(schedule: DdimSchedule): Wrapping {
  return {
    timestepType: 'float32',
    before(g, { sample, timestep }) {
      const level = noiseLevel(g, schedule, timestep);
      const told = matchingTimestep(g, schedule, level);
      return {
        sample: op.div(g, sample, asFactor(g, lengthOf(g, level))),
        timestep: op.reshape(g, told, timestep.shape.length === 0 ? [] : [-1]),
      };
    },
    after: (g, inputs, epsilon) => velocity(g, schedule, inputs, epsilon),
  };
}

function velocity(
  g: GraphBuilder,
  schedule: DdimSchedule,
  { sample, timestep }: WrappedInputs,
  epsilon: Value,
): Value {
  const one = g.scalar(1);
  const level = noiseLevel(g, schedule, timestep);
  const sigma = asFactor(g, level);
  const length = asFactor(g, lengthOf(g, level));
  const lastAlpha = schedule.alphasCumprod.at(-1)!;
  const mostNoise = g.scalar(noiseLevels(schedule).at(-1)!);

  // Signal and noise in sample / length, as far as the model knows them.
  const signal = op.max(g, op.div(g, op.sub(g, one, sigma), length), g.scalar(Math.sqrt(lastAlpha)));
  const noise = op.min(g, op.div(g, sigma, length), g.scalar(Math.sqrt(1 - lastAlpha)));
  const original = op.div(g, op.sub(g, op.div(g, sample, length), op.mul(g, noise, epsilon)), signal);
  const rest = op.sub(g, sample, op.mul(g, op.sub(g, one, sigma), original));
  const restNoise = op.div(g, rest, sigma);
  const wholeNoise = op.where(g, op.greater(g, sigma, mostNoise), restNoise, epsilon);
  return op.sub(g, wholeNoise, original);
}

/** σ [B, 1] of timesteps σ·T. */
function noiseLevel(g: GraphBuilder, { config }: DdimSchedule, timestep: Value): Value {
  return op.div(g, op.reshape(g, timestep, [-1, 1]), g.scalar(config.numTrainTimesteps));
}

/** √((1-σ)² + σ²) [B, 1]. */
function lengthOf(g: GraphBuilder, level: Value): Value {
  const clean = op.sub(g, g.scalar(1), level);
  return op.sqrt(g, op.add(g, op.mul(g, clean, clean), op.mul(g, level, level)));
}

/** The timestep [B, 1] float32 in 0..T-1 whose noise level is σ [B, 1]: between the two integers around it, by a line. */
function matchingTimestep(g: GraphBuilder, schedule: DdimSchedule, level: Value): Value {
  const levels = noiseLevels(schedule);
  const below = op.cast(g, op.greater(g, level, g.constant(float32(levels, [1, levels.length]))), 'float32');
  const numBelow = op.reduceSum(g, below, [1]);
  const lower = op.clip(g, op.sub(g, numBelow, g.scalar(1)), 0, levels.length - 2);
  const known = table(g, levels);
  const start = op.gather(g, known, op.cast(g, lower, 'int64'));
  const end = op.gather(g, known, op.cast(g, op.add(g, lower, g.scalar(1)), 'int64'));
  const share = op.div(g, op.sub(g, level, start), op.sub(g, end, start));
  return op.add(g, lower, op.clip(g, share, 0, 1));
}

/** σ of every timestep: σ/(1-σ) = √((1-ᾱ_t)/ᾱ_t). */
function noiseLevels({ alphasCumprod }: DdimSchedule): Float32Array {
  return Float32Array.from(alphasCumprod, (alphaProd) => {
    const [signal, noise] = [Math.sqrt(alphaProd), Math.sqrt(1 - alphaProd)];
    return noise / (signal + noise);
  });
}

const table = (g: GraphBuilder, values: Float64Array | Float32Array): Value =>
  g.constant(float32(Float32Array.from(values), [values.length]));

/** One number a row as a factor of [B, C, H, W]. */
const asFactor = (g: GraphBuilder, perRow: Value): Value => op.reshape(g, perRow, [-1, 1, 1, 1]);
