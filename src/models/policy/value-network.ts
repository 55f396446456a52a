/**
 * @file The value network of DPOK: V(x_t, c, t), the reward to expect of a picture, given its latents before a step, its prompt
 * and the step. Graphs and weights only; value-baseline.ts trains and evaluates it.
 */

import { gradientOutputs } from '../autodiff/gradient-outputs.js';
import type { Engine, GradientRequest } from '../engines/contract/engine.js';
import type { Graph } from '../graph/graph.js';
import { GraphBuilder } from '../graph/ops/builder.js';
import { concat, type Expression } from '../graph/ops/expression.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import { counterRandom } from '../random/counter-random.js';
import { elementCount } from '../tensor.js';
import type { ValueSettings } from './trainer-settings.js';

/** What a value network looks at. */
export interface ValueShapes {
  /** D: numbers of one latent, C·H·W. */
  readonly latentSize: number;
  /** E: width of a prompt's embedding. */
  readonly embedWidth: number;
  /** S: sampler steps. */
  readonly numSteps: number;
}

/** `batchSize` is N, the rows of one run. */
type ValueNetworkSettings = Pick<ValueSettings, 'hidden' | 'batchSize'>;

/** A weight, and how it starts: normal around 0 or uniform in a range. */
export interface ValueWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly start: { readonly stdDev: number } | { readonly low: number; readonly high: number };
}

const LAYERS = ['layers.0', 'layers.1', 'layers.2'] as const;

/**
 * Returns the weights of the network, in the order of its layers: `<layer>.weight` [in, out] by Xavier's normal rule
 * (standard deviation √(2 / (in + out))), `<layer>.bias` [out] uniform in ±1/√in (PyTorch's default), and for the hidden
 * layers `<layer>.scale` [S, hidden] uniform in [0, 1).
 */
export function valueWeights(shapes: ValueShapes, hidden: number): ValueWeight[] {
  const linear = (layer: string, inputs: number, outputs: number): ValueWeight[] => {
    const bound = 1 / Math.sqrt(inputs);
    const stdDev = Math.sqrt(2 / (inputs + outputs));
    return [
      { name: `${layer}.weight`, shape: [inputs, outputs], start: { stdDev } },
      { name: `${layer}.bias`, shape: [outputs], start: { low: -bound, high: bound } },
    ];
  };
  const hiddenLayers = LAYERS.flatMap((layer, index): ValueWeight[] => [
    ...linear(layer, index === 0 ? shapes.latentSize + shapes.embedWidth : hidden, hidden),
    { name: `${layer}.scale`, shape: [shapes.numSteps, hidden], start: { low: 0, high: 1 } },
  ]);
  return [...hiddenLayers, ...linear('output', hidden, 1)];
}

/** Draws fresh weights, each from its own stream of the seed. */
export function initialValueWeights(weights: readonly ValueWeight[], seed: number): NamedArrays {
  return Object.fromEntries(
    weights.map(({ name, shape, start }, group) => {
      const random = counterRandom({ seed, purpose: 'value-init', group });
      const count = elementCount(shape);
      if ('stdDev' in start) return [name, random.normal(count).map((value) => value * start.stdDev)];
      const { low, high } = start;
      return [name, random.uniforms(count).map((value) => low + (high - low) * value)];
    }),
  );
}

/**
 * Builds the network for a fixed number of rows.
 *
 * Equation: h₀ = [x_t, c]; h_{l+1} = relu((h_l W_l + b_l) ⊙ γ_l[t]) for l = 0, 1, 2; V = h₃ w + b. The step t is the
 * sampler's index, not the timestep of the schedule. Source: DPOK (Fan et al., NeurIPS 2023), google-research/google-research
 * dpok/reward_model.py at 1d49f2c, `ValueMulti`.
 *
 * Shapes: inputs `latents` [N, D] and `promptEmbeds` [N, E] float32, `step` [N] int64, and the weights; output `value` [N].
 *
 * Departure: c comes from the pipeline's text encoder (value-baseline.ts). In the source it is a text
 * feature of a CLIP model of its own, which no pipeline folder holds.
 */
export function buildValueGraph(shapes: ValueShapes, settings: ValueNetworkSettings): Graph {
  const g = new GraphBuilder();
  g.output(emitValue(g, shapes, settings), 'value');
  return g.build();
}

/**
 * Builds the network, its loss and the gradient of every weight, which the engine derives where it can.
 *
 * Equation: loss = Σ_n weight_n (V_n - reward_n)². Weights of 1/M on M rows and of 0 on the rest make it the mean squared
 * error of M rows in a run of N.
 *
 * Shapes: as `buildValueGraph`, and `reward` and `weight` [N]; outputs `loss` [] and `gradient:<weight>`.
 */
export function buildValueTraining(
  engine: Pick<Engine, 'differentiates'>,
  shapes: ValueShapes,
  settings: ValueNetworkSettings,
): { readonly graph: Graph; readonly gradients: GradientRequest | undefined } {
  const g = new GraphBuilder();
  const value = emitValue(g, shapes, settings);
  const residual = value.sub(g.input('reward', 'float32', value.shape));
  const squares = residual.mul(residual);
  const loss = squares.mul(g.input('weight', 'float32', value.shape)).sumAll();
  const names = valueWeights(shapes, settings.hidden).map(({ name }) => name);
  const parameters = names.map((name) => g.value(name));
  const gradients = gradientOutputs(engine, g, loss, { parameters });
  return { graph: g.build(), gradients };
}

function emitValue(
  g: GraphBuilder,
  shapes: ValueShapes,
  { hidden, batchSize }: ValueNetworkSettings,
): Expression {
  for (const { name, shape } of valueWeights(shapes, hidden)) g.input(name, 'float32', shape);
  const linear = (layer: string, x: Expression) =>
    x.matMul(g.value(`${layer}.weight`)).add(g.value(`${layer}.bias`));
  const latents = g.input('latents', 'float32', [batchSize, shapes.latentSize]);
  const promptEmbeds = g.input('promptEmbeds', 'float32', [batchSize, shapes.embedWidth]);
  const step = g.input('step', 'int64', [batchSize]);
  let x = concat([latents, promptEmbeds], 1);
  for (const layer of LAYERS) {
    x = g.scoped(layer, () =>
      linear(layer, x)
        .mul(g.value(`${layer}.scale`).gather(step))
        .relu(),
    );
  }
  return g.scoped('output', () => linear('output', x).reshape([batchSize]));
}
