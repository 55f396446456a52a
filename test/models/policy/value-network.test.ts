import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import type { ValueWeight } from '../../../src/models/policy/value-network.js';
import {
  buildValueGraph,
  buildValueTraining,
  initialValueWeights,
  valueWeights,
} from '../../../src/models/policy/value-network.js';
import type { Tensor } from '../../../src/models/tensor.js';
import { elementCount, float32, int64 } from '../../../src/models/tensor.js';
import { deadNodes, randomTensor, runModel } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

const feedsOf = (specs: readonly ValueWeight[], weights: NamedArrays): Record<string, Tensor> =>
  Object.fromEntries(specs.map(({ name, shape }) => [name, float32(weights[name] as Float32Array, shape)]));

describe('one unit a layer, worked by hand', () => {
  const shapes = { latentSize: 1, embedWidth: 1, numSteps: 2 };
  const settings = { hidden: 1, batchSize: 3 };
  const weights: NamedArrays = {
    'layers.0.weight': Float32Array.of(2, 3),
    'layers.0.bias': Float32Array.of(1),
    'layers.0.scale': Float32Array.of(0.5, 2),
    'layers.1.weight': Float32Array.of(1),
    'layers.1.bias': Float32Array.of(-1),
    'layers.1.scale': Float32Array.of(1, 0.5),
    'layers.2.weight': Float32Array.of(2),
    'layers.2.bias': Float32Array.of(0),
    'layers.2.scale': Float32Array.of(1, 1),
    'output.weight': Float32Array.of(0.5),
    'output.bias': Float32Array.of(0.25),
  };
  const feeds = {
    ...feedsOf(valueWeights(shapes, 1), weights),
    latents: float32([1, 1, -9], [3, 1]),
    promptEmbeds: float32([1, 1, 1], [3, 1]),
    step: int64([0, 1, 1]),
    reward: float32([2, 5, 7], [3]),
    weight: float32([0.5, 0.5, 0], [3]),
  };

  it('should have the value of its prompt, latents and step', async () => {
    // Step 0: (2 + 3 + 1) / 2 = 3; 3 - 1 = 2; 4; 2.25. Step 1: 12; 11 / 2 = 5.5; 11; 5.75. Below zero: 0, 0 (of -0.5), 0.
    const { value } = await runModel(engine, buildValueGraph(shapes, settings), feeds);
    expect([...(value ?? [])]).toEqual([2.25, 5.75, 0.25]);
  });

  it('should have the loss and the gradients of its weighted rows', async () => {
    const { loss, ...slopes } = await runModel(
      engine,
      buildValueTraining(engine, shapes, settings).graph,
      feeds,
    );
    // Residuals 0.25 and 0.75: (0.0625 + 0.5625) / 2. dL/dV = 0.25 and 0.75.
    expect(loss?.[0]).toBe(0.3125);
    const gradient = (name: string) => [...(slopes[`gradient:${name}`] ?? [])];
    expect(gradient('output.bias')).toEqual([1]);
    expect(gradient('output.weight')).toEqual([0.25 * 4 + 0.75 * 11]);
    // dL/dh3 = 0.125 and 0.375, times the layer before its scale: 4 and 11.
    expect(gradient('layers.2.scale')).toEqual([0.5, 4.125]);
    // dL/dh2 = 0.25 and 0.75 (W = 2), times the scale 1 and 0.5, times h1 = 3 and 12.
    expect(gradient('layers.1.weight')).toEqual([0.25 * 3 + 0.375 * 12]);
    // dL/dh1 = 0.25 and 0.375, times the layer before its scale: 6 and 6.
    expect(gradient('layers.0.scale')).toEqual([1.5, 2.25]);
    expect(gradient('layers.0.weight')).toEqual([0.875, 0.875]);
  });
});

describe('a small network', () => {
  const shapes = { latentSize: 3, embedWidth: 2, numSteps: 3 };
  const settings = { hidden: 4, batchSize: 6 };
  const specs = valueWeights(shapes, settings.hidden);
  // Mostly above 0, so that most units are alive.
  const weights: NamedArrays = Object.fromEntries(
    specs.map(({ name, shape }, index) => [
      name,
      randomTensor(10 + index, shape, 0.5).data.map((value) => value + 0.3),
    ]),
  );
  // Step 1 comes three times and step 2 never: gradients of a row add up, or are zero.
  const steps = [1, 0, 1, 0, 1, 0];
  const [latents, promptEmbeds] = [randomTensor(1, [6, 3]), randomTensor(2, [6, 2])];
  const rewards = [0.5, -1, 2, 0, 1, -0.5];
  const rowWeights = [0.25, 0.25, 0.125, 0.125, 0.25, 0];

  /** The loss once more, in float64 and without a graph. */
  function lossAt(at: Readonly<Record<string, readonly number[] | Float32Array>>): number {
    const linear = (layer: string, x: readonly number[], outputs: number) =>
      Array.from({ length: outputs }, (_, out) =>
        x.reduce(
          (sum, value, input) => sum + value * (at[`${layer}.weight`]?.[input * outputs + out] ?? Number.NaN),
          at[`${layer}.bias`]?.[out] ?? Number.NaN,
        ),
      );
    return steps.reduce((loss, step, row) => {
      let x = [
        ...latents.data.subarray(row * 3, row * 3 + 3),
        ...promptEmbeds.data.subarray(row * 2, row * 2 + 2),
      ];
      for (const layer of ['layers.0', 'layers.1', 'layers.2'])
        x = linear(layer, x, 4).map((value, unit) =>
          Math.max(0, value * (at[`${layer}.scale`]?.[step * 4 + unit] ?? Number.NaN)),
        );
      const [value = Number.NaN] = linear('output', x, 1);
      return loss + (rowWeights[row] ?? 0) * (value - (rewards[row] ?? 0)) ** 2;
    }, 0);
  }

  it('should agree with central differences of a float64 forward pass in every coordinate', async () => {
    const { graph } = buildValueTraining(engine, shapes, settings);
    const { loss, ...slopes } = await runModel(engine, graph, {
      ...feedsOf(specs, weights),
      latents,
      promptEmbeds,
      step: int64(steps),
      reward: float32(rewards, [6]),
      weight: float32(rowWeights, [6]),
    });
    expect(loss?.[0]).toBeCloseTo(lossAt(weights), 6);
    const [faults, sizes]: [string[], number[]] = [[], []];
    for (const { name } of specs) {
      const values = Array.from(weights[name] ?? []);
      values.forEach((value, index) => {
        const moved = (by: number) => lossAt({ ...weights, [name]: values.with(index, value + by) });
        const slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        const found = slopes[`gradient:${name}`]?.[index] ?? Number.NaN;
        sizes.push(Math.abs(slope));
        if (!(Math.abs(found - slope) <= 1e-6 + 1e-5 * Math.abs(slope)))
          faults.push(`${name}[${index}]: the gradient is ${found}, the loss rises by ${slope}`);
      });
    }
    expect(faults).toEqual([]);
    expect(sizes).toHaveLength(105);
    expect(sizes.filter((size) => size > 1e-3).length).toBeGreaterThan(50);
    expect(deadNodes(graph)).toEqual([]);
  });
});

describe('initialValueWeights', () => {
  it("should be the paper's network at Stable Diffusion's sizes", () => {
    const specs = valueWeights({ latentSize: 4 * 64 * 64, embedWidth: 768, numSteps: 50 }, 256);
    // 17152·256 + 256, 2·(256² + 256), 3·50·256, 256 + 1.
    expect(specs.reduce((sum, { shape }) => sum + elementCount(shape), 0)).toBe(4_561_409);
  });

  it("should follow Xavier, with scales in [0, 1) and PyTorch's biases", () => {
    const specs = valueWeights({ latentSize: 90, embedWidth: 10, numSteps: 40 }, 60);
    const weights = initialValueWeights(specs, 3);
    const moments = (name: string) => {
      const values = Array.from(weights[name] ?? []);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      return { mean, stdDev: Math.sqrt(variance), low: Math.min(...values), high: Math.max(...values) };
    };
    // √(2 / 160) = 0.1118 over 6000 draws: standard errors 0.0014 and 0.001.
    expect(Math.abs(moments('layers.0.weight').mean)).toBeLessThan(0.007);
    expect(Math.abs(moments('layers.0.weight').stdDev - 0.1118)).toBeLessThan(0.005);
    const scale = moments('layers.2.scale');
    expect(Math.abs(scale.mean - 0.5)).toBeLessThan(0.025);
    expect([scale.low >= 0, scale.low < 0.01, scale.high > 0.99, scale.high < 1]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    const bias = moments('layers.1.bias'); // 1 / √60 = 0.1291
    expect([bias.low >= -0.1291, bias.low < -0.1, bias.high > 0.1, bias.high <= 0.1291]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(weights['layers.1.weight']).not.toEqual(weights['layers.2.weight']);
    expect(initialValueWeights(specs, 3)).toEqual(weights);
    expect(initialValueWeights(specs, 4)['output.weight']).not.toEqual(weights['output.weight']);
  });
});
