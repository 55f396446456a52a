/** @file Training of all weights: gradients, the KL to the pretrained model, and the file of such a policy. */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../src/models/autodiff/backward.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import { lowerForTraining } from '../../../src/models/graph/passes/lower.js';
import { freeWeights } from '../../../src/models/graph/weights/free-weights.js';
import { policyFeeds } from '../../../src/models/graph/weights/policy-feeds.js';
import { openDenoiserGraph, timestepTensor } from '../../../src/models/networks/open-denoiser-graph.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { writeMergedPipeline } from '../../../src/models/pipeline/merged-pipeline.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import {
  decodePolicy,
  encodePolicy,
  policyParameters,
  startingPolicy,
  weightChanges,
} from '../../../src/models/policy/policy-file.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import { createTrainer, type TrainedRound, type Trainer } from '../../../src/models/policy/trainer.js';
import type { TrainingSample } from '../../../src/models/policy/training-rows.js';
import { createSampler } from '../../../src/models/rollouts/sampler.js';
import { float32Data } from '../../../src/models/tensor.js';
import { directionsNear, dot, slopeAlong } from '../../fixtures/central-slopes.js';
import { type OpenTiny, openTiny, stepsFrom, TINY_SAMPLER, TINY_TRAINER } from '../../fixtures/open-tiny.js';
import { randomTensor, runModel } from '../../fixtures/run-model.js';
import { stageOf, untrained } from '../../fixtures/sample-tiny.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { casesOf } from '../../fixtures/test-all.js';
import { TINY_PROMPTS } from '../../fixtures/tiny-pipeline.js';

let tiny: OpenTiny;
let trainer: Trainer;
let base: NamedArrays;
let samples: TrainingSample[];
/** The first round. */
let first: TrainedRound;
let inputs: Awaited<ReturnType<typeof buildPolicyGraph>>;

beforeAll(async () => {
  tiny = await openTiny();
  const settings = { ...TINY_TRAINER, lora: null, measureKl: true };
  inputs = await buildPolicyGraph(tiny.engine, tiny.pipeline, settings);
  trainer = await createTrainer({ ...tiny, policyGraph: inputs, settings });
  base = startingPolicy(inputs, null, 1);
  const sampling = await openDenoiser(tiny.engine, tiny.pipeline, { lora: null, rows: [24] });
  await sampling.usePolicy(base);
  const groups = await createSampler(tiny.pipeline, sampling, TINY_SAMPLER).rollout(
    TINY_PROMPTS.map((prompt, groupIndex) => ({ groupIndex, prompt })),
    stepsFrom(2),
  );
  samples = groups.flatMap(({ branches }, group) =>
    branches.map(({ trajectory }, leaf) => ({
      groupId: `group-${group}`,
      prompt: TINY_PROMPTS[group] ?? '',
      advantage: [1.5, -1, 0.25][leaf] ?? 0,
      stepAdvantages: null,
      trajectory,
    })),
  );
  first = await trainer.train(stageOf(samples), untrained(base));
});
afterAll(async () => {
  await trainer?.release();
  await tiny?.close();
});

describe('training of all weights', () => {
  it('should start at the pretrained model: ratios of 1, no KL', async () => {
    const logRatios = await trainer.logRatios({ samples, trainedSteps: stepsFrom(2) }, base);
    expect(Math.max(...(logRatios ?? [Number.NaN]).map(Math.abs))).toBeLessThan(1e-5);
    expect(first.statistics.klToPretrained).toBeLessThan(1e-9);
  });

  it('should move every weight that the network uses, and then be away from the pretrained model', async () => {
    const names = Object.keys(base);
    expect(names.length).toBe(inputs.weights.length);
    const still = names.filter((name) => `${first.state.parameters[name]}` === `${base[name]}`);
    expect(still).toEqual([]);
    const second = await trainer.train(stageOf(samples), first.state);
    expect(second.statistics.klToPretrained).toBeGreaterThan(1e-6);
  });

  it('should come back from its file bit for bit, under the names and shapes of PyTorch', async () => {
    const { parameters } = first.state;
    const bytes = encodePolicy(inputs, parameters, null);
    const read = decodePolicy(bytes, 'file');
    expect(read.adapter).toBe(null);
    expect(policyParameters(read, inputs, 'file')).toEqual(parameters);
    const { tensors } = decodeSafetensors(bytes, 'file');
    const path = 'mid_block.attentions.0.transformer_blocks.0.ff.net.2';
    expect(tensors.get(`${path}.weight`)?.shape).toEqual([16, 32]);
    expect(tensors.get('conv_norm_out.bias')?.shape).toEqual([8]);
    expect(Buffer.compare(encodePolicy(inputs, policyParameters(read, inputs, 'file'), null), bytes)).toBe(0);
    const turned = {
      ...inputs,
      weights: inputs.weights.map((one) => ({ ...one, shape: [...one.shape, 2] })),
    };
    expect(() => policyParameters(read, turned, 'file')).toThrow(
      'file: expected weights in the shapes of the model, got others: "conv_in.bias [8] for [8, 2]", ',
    );
  });

  it('should have the gradients that central differences find', async () => {
    const { engine, pipeline } = tiny;
    const shape = [2, ...pipeline.latentShape];
    const { graph, weights } = freeWeights(await openDenoiserGraph(engine, pipeline, 2), 'tiny UNet', 'unet');
    const feedsOf = (parameters: NamedArrays) => ({
      sample: randomTensor(1, shape),
      timestep: timestepTensor([700, 20], 'float32', [2]),
      encoder_hidden_states: randomTensor(2, [2, ...pipeline.embedsShape]),
      ...policyFeeds({ adapters: [], weights }, parameters, null),
    });
    const slope = randomTensor(3, shape);
    const g = GraphBuilder.from(lowerForTraining(graph));
    g.clearOutputs();
    const loss = g.value('out_sample').mul(g.constant(slope)).sumAll();
    const values = weights.map(({ input }) => g.value(input));
    for (const [i, value] of gradients(g, loss, values).entries())
      g.output(value, `gradient:${weights[i]?.input}`);
    const outputs = await runModel(engine, g.build(), feedsOf(base));
    const found: NamedArrays = Object.fromEntries(
      weights.map(({ input }) => [input, outputs[`gradient:${input}`] ?? new Float32Array()]),
    );
    for (const { input } of weights) expect(Math.hypot(...(found[input] ?? [])), input).toBeGreaterThan(0);

    const sampler = await engine.compile(encodeGraph(graph), { label: 'sampling graph' });
    const lossAt = async (moved: NamedArrays) => {
      const { out_sample } = await sampler.run(feedsOf(moved));
      return float32Data(out_sample, 'out_sample').reduce((sum, value, i) => sum + value * slope.data[i]!, 0);
    };
    for (const direction of directionsNear(found, 3, 7)) {
      const measured = await slopeAlong(lossAt, base, direction, 0.01);
      expect(Math.abs(measured / dot(found, direction) - 1)).toBeLessThan(1e-3);
    }
    for (const part of [
      'conv_in.weight',
      'attn2.to_k.weight',
      'norm1.weight',
      'norm2.bias',
      'linear_1.bias',
    ]) {
      const own = Object.fromEntries(Object.entries(found).filter(([name]) => name.endsWith(part)));
      const [direction = {}] = directionsNear(own, 1, 7);
      const measured = await slopeAlong(lossAt, base, direction, 0.02);
      expect(Math.abs(measured / dot(own, direction) - 1), part).toBeLessThan(0.01);
    }
  });
});

describe('the file of trained weights', () => {
  it.each(casesOf(['tiny', 'sd1'], ['sd2']))(
    'should merge into a pipeline that has just these weights: %s',
    async (name) => {
      const { engine } = tiny;
      const folder = await temporaryFolder();
      const path = name === 'tiny' ? tiny.pipeline.folder.path : `test/fixtures/stable-diffusion/${name}`;
      const weightsOf = async (of: string) => {
        const pipeline = await openPipeline(engine, of);
        const freed = freeWeights(await openDenoiserGraph(engine, pipeline, 2), of, 'unet');
        await pipeline.release();
        return freed.weights;
      };
      const before = await weightsOf(path);
      const trained = Object.fromEntries(
        before.map(({ input, shape }, seed) => [input, randomTensor(seed, shape).data]),
      );
      const bytes = encodePolicy({ component: 'unet', adapters: [], weights: before }, trained, null);
      await writeMergedPipeline(path, weightChanges(bytes, 'file'), join(folder, 'merged'));
      const after = await weightsOf(join(folder, 'merged'));
      expect(after.map(({ input }) => input).sort()).toEqual(before.map(({ input }) => input).sort());
      const differing = after.filter(({ input, initial }) => `${initial}` !== `${trained[input]}`);
      expect(differing.map(({ name: weight }) => weight)).toEqual([]);
    },
  );
});
