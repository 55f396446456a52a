/**
 * @file Gradients of adapters in layers of every kind, through the whole network: against central differences of the network
 * that samples, whose adapters are folded into the weights.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { gradients } from '../../../src/models/autodiff/backward.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import { lowerForTraining } from '../../../src/models/graph/passes/lower.js';
import { addLora } from '../../../src/models/graph/weights/lora.js';
import { adapterFeeds } from '../../../src/models/graph/weights/policy-feeds.js';
import { openDenoiserGraph, timestepTensor } from '../../../src/models/networks/open-denoiser-graph.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { float32Data } from '../../../src/models/tensor.js';
import { directionsNear, dot, slopeAlong } from '../../fixtures/central-slopes.js';
import { type OpenTiny, openTiny, randomAdapter, TINY_LORA } from '../../fixtures/open-tiny.js';
import { randomTensor, runModel } from '../../fixtures/run-model.js';

const ROWS = 2;
const SHAPE = [ROWS, 3, 16, 16];
const LORA = { ...TINY_LORA, pattern: 'attn[12]/to_|ff/|proj_|resnets|samplers|conv_|time_' };

let tiny: OpenTiny;
beforeAll(async () => {
  tiny = await openTiny();
});
afterAll(() => tiny.close());

it('should agree with central differences for attention, feed-forward layers and convolutions', async () => {
  const { engine, pipeline } = tiny;
  const unet = await openDenoiserGraph(engine, pipeline, ROWS);
  const beside = addLora(unet, { ...LORA, form: 'beside' }, 'tiny UNet');
  const { adapters } = beside;
  const kinds = adapters.map(({ kernel }) => kernel?.join(' x ') ?? 'linear');
  expect(new Set(kinds)).toEqual(new Set(['linear', '3 x 3', '1 x 1']));
  const parameters = randomAdapter(adapters, 0.2);
  const inputs = {
    sample: randomTensor(1, SHAPE),
    timestep: timestepTensor([700, 20], 'float32', [ROWS]),
    encoder_hidden_states: randomTensor(2, [ROWS, ...pipeline.embedsShape]),
  };
  const weights = randomTensor(3, SHAPE);

  const g = GraphBuilder.from(lowerForTraining(beside.graph));
  g.clearOutputs();
  const names = adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
  const loss = g.value('out_sample').mul(g.constant(weights)).sumAll();
  const parameterValues = names.map((name) => g.value(name));
  for (const [i, value] of gradients(g, loss, parameterValues).entries())
    g.output(value, `gradient:${names[i]}`);
  const feeds = { ...inputs, ...adapterFeeds(adapters, parameters, LORA.rank) };
  const outputs = await runModel(engine, g.build(), feeds);
  const found: NamedArrays = Object.fromEntries(names.map((name) => [name, outputs[`gradient:${name}`]!]));
  for (const [name, values] of Object.entries(found)) expect(Math.hypot(...values), name).toBeGreaterThan(0);

  const folded = addLora(unet, { ...LORA, form: 'folded' }, 'tiny UNet');
  const sampler = await engine.compile(encodeGraph(folded.graph), { label: 'sampling graph' });
  const lossAt = async (moved: NamedArrays) => {
    const { out_sample } = await sampler.run({ ...inputs, ...adapterFeeds(adapters, moved, LORA.rank) });
    return float32Data(out_sample, 'out_sample').reduce((sum, value, i) => sum + value * weights.data[i]!, 0);
  };
  for (const direction of directionsNear(found, 4, 7)) {
    const slope = await slopeAlong(lossAt, parameters, direction, 0.01);
    expect(Math.abs(slope / dot(found, direction) - 1)).toBeLessThan(1e-3);
  }
  // Along each parameter's own gradient: a wrong one cannot hide among the others.
  for (const name of names) {
    const own = { [name]: found[name]! };
    const [direction = {}] = directionsNear(own, 1, 7);
    const slope = await slopeAlong(lossAt, parameters, direction, 0.02);
    expect(Math.abs(slope / dot(own, direction) - 1), name).toBeLessThan(0.01);
  }
});
