/**
 * @file Folders as diffusers saves them, compared with diffusers: every part, the normal sampler over 20 steps, and the
 * gradients of the adapter. The fixtures are made by tools/reference/stable_diffusion.py.
 */

import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import type { SafetensorsTensor } from '../../../src/models/files/safetensors.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { openDenoiserGraph } from '../../../src/models/networks/open-denoiser-graph.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openImageDecoder } from '../../../src/models/pipeline/image-decoder.js';
import type { Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { openPromptEncoder } from '../../../src/models/pipeline/prompt-encoder.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import { createSampler } from '../../../src/models/rollouts/sampler.js';
import { elementCount, float32, float32Data, type Tensor } from '../../../src/models/tensor.js';
import { openTinyTrainer, stepsFrom, TINY_SAMPLER } from '../../fixtures/open-tiny.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { RUNS_ALL } from '../../fixtures/test-all.js';

const FIXTURES = 'test/fixtures/stable-diffusion';

/** What a fixture was made with. */
interface About {
  readonly prompts: readonly string[];
  readonly rank: number;
  readonly alpha: number;
  readonly guidanceScale: number;
  readonly clipRange: number;
  readonly advClipMax: number;
  readonly pairs: number;
}

/** |a - b| / |b|, as vectors. */
function relativeError(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.NaN;
  let [error, size] = [0, 0];
  expected.forEach((value, i) => {
    error += ((found[i] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(error / size);
}

it('should pool at the first end of text that the config names', async () => {
  const cases: { eosTokenId: number; pooled: number[] }[] = JSON.parse(
    readFileSync(`${FIXTURES}/pooled.json`, 'utf8'),
  );
  const engine = sharedEngine();
  const folder = await readPipelineFolder(`${FIXTURES}/sdxl`);
  const [first, second] = folder.textEncoders;
  if (!first || !second?.architecture) throw new Error('expected two text encoders');
  for (const { eosTokenId, pooled } of cases) {
    const changed = { ...second, architecture: { ...second.architecture, eosTokenId } };
    const encoder = await openPromptEncoder(engine, { ...folder, textEncoders: [first, changed] });
    const row = await encoder.embed('a photo of an astronaut riding a horse on mars');
    const found = row.slice(-pooled.length);
    expect(relativeError(found, Float32Array.from(pooled)), `${eosTokenId}`).toBeLessThan(1e-4);
    await encoder.release();
  }
});

describe.each(['sd1', 'sd2', 'sdxl'])('a folder of diffusers: %s', (name) => {
  const folder = `${FIXTURES}/${name}`;
  let engine: Engine;
  let pipeline: Pipeline;
  let expected: ReadonlyMap<string, SafetensorsTensor>;
  let about: About;
  const valuesOf = (key: string) => expected.get(key)?.data as Float32Array;
  const tensorOf = (key: string) => float32(valuesOf(key), expected.get(key)?.shape ?? []);
  const lora = () => ({
    pattern: 'attn[12]/to_(q|k|v|out\\.0)',
    rank: about.rank,
    alpha: about.alpha,
  });

  beforeAll(async () => {
    const path = `${folder}/expected.safetensors`;
    const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);
    expected = tensors;
    about = JSON.parse(metadata.about ?? '{}');
    engine = sharedEngine();
    pipeline = await openPipeline(engine, folder);
  });

  it('should have the tokens and the embeddings of its prompts', async () => {
    const tokens = about.prompts.flatMap((prompt) => [...pipeline.tokenizer.encode(prompt)]);
    const wanted = expected.get('tokens')?.data ?? [];
    expect(tokens).toEqual(Array.from(wanted, Number));
    const rows = await Promise.all(about.prompts.map((prompt) => pipeline.embedPrompt(prompt)));
    const { encoder_hidden_states: embeds, text_embeds: pooled } = pipeline.conditioning(rows, 1);
    expect(relativeError(float32Data(embeds, 'embeds'), valuesOf('promptEmbeds'))).toBeLessThan(1e-4);
    expect(pooled === undefined).toBe(name !== 'sdxl');
    if (pooled) {
      expect(relativeError(float32Data(pooled, 'pooled'), valuesOf('pooledEmbeds'))).toBeLessThan(1e-4);
    }
  });

  it('should embed the empty prompt, as zeros for SDXL', async () => {
    const { encoder_hidden_states: embeds } = pipeline.conditioning([await pipeline.embedPrompt('')], 1);
    const wanted = valuesOf('emptyEmbeds');
    if (name === 'sdxl') expect(embeds?.data).toEqual(wanted);
    else expect(relativeError(float32Data(embeds, 'embeds'), wanted)).toBeLessThan(1e-4);
  });

  it('should predict what its UNet predicts, each row at a timestep of its own', async () => {
    const executable = await compileGraph(engine, await openDenoiserGraph(engine, pipeline, 2), {
      label: name,
    });
    const rows = await Promise.all(about.prompts.map((prompt) => pipeline.embedPrompt(prompt)));
    const { out_sample: output } = await executable.run({
      sample: tensorOf('unet:sample'),
      timestep: tensorOf('unet:timestep'),
      ...pipeline.conditioning(rows, 1),
    });
    expect(relativeError(float32Data(output, 'out_sample'), valuesOf('unet:output'))).toBeLessThan(1e-4);
  });

  it('should sample the trajectories and the pictures that diffusers samples', async () => {
    const adapter = lora();
    const denoiser = await openDenoiser(engine, pipeline, { lora: adapter, rows: [4] });
    await denoiser.usePolicy(initialParameters(denoiser.adapters, adapter, 1));
    const sampler = createSampler(pipeline, denoiser, {
      ...TINY_SAMPLER,
      seed: 7,
      numInferenceSteps: 20,
      guidanceScale: about.guidanceScale,
      forkPlan: 'independent',
      numBranches: 1,
      groupsPerBatch: 2,
    });
    const steps = Array.from({ length: 20 }, (_, step) => step);
    const groups = await sampler.rollout(
      about.prompts.map((prompt, groupIndex) => ({ groupIndex, prompt })),
      steps,
    );
    const size = elementCount(pipeline.latentShape);
    const [path, logProbs, images] = ['trajectory', 'logProbs', 'images'].map(valuesOf);
    const imageSize = (images?.length ?? 0) / groups.length;
    for (const [row, { branches }] of groups.entries()) {
      const { trajectory, image } = branches[0] ?? {};
      const wanted = Float32Array.from({ length: 21 * size }, (_, at) => {
        const step = Math.floor(at / size);
        return path?.[(step * groups.length + row) * size + (at % size)] ?? Number.NaN;
      });
      expect(relativeError(trajectory?.latents ?? new Float32Array(), wanted)).toBeLessThan(1e-4);
      const ofRow = Float32Array.from(steps, (step) => logProbs?.[step * groups.length + row] ?? 0);
      expect(relativeError(trajectory?.logProbs ?? new Float32Array(), ofRow)).toBeLessThan(1e-4);
      const picture = images?.slice(row * imageSize, (row + 1) * imageSize) ?? new Float32Array();
      expect(picture.some((value) => Math.abs(value) > 1e-3 && Math.abs(value) < 1)).toBe(true);
      const clamped = picture.map((value) => Math.min(1, Math.max(-1, value)));
      expect(relativeError(image ?? new Float32Array(), clamped)).toBeLessThan(1e-4);
    }
  });

  it('should decode a picture whole, or in the tiles of diffusers where it is too large', async () => {
    const onDisk = pipeline.folder.vaeDecoder;
    if (!onDisk) throw new Error('expected a decoder');
    const { scalingFactor } = onDisk.config;
    const latents = valuesOf('large:latents').map((value) => value * scalingFactor);
    expect(onDisk.config.tileSize).toBe(8);
    for (const [mostWhole, key] of [
      [8 * 8, 'large:tiledImage'],
      [20 * 13, 'large:image'],
    ] as const) {
      const decoder = await openImageDecoder(engine, onDisk, [4, 20, 13], mostWhole);
      const { data, shape } = await decoder.decode(latents, 1);
      expect(shape).toEqual([1, 3, 40, 26]);
      expect(relativeError(data, valuesOf(key))).toBeLessThan(1e-4);
      await decoder.release();
    }
    expect(relativeError(valuesOf('large:tiledImage'), valuesOf('large:image'))).toBeGreaterThan(1e-3);
  });

  it('should have the loss and the LoRA gradients that autograd finds', async () => {
    const { graph, adapters } = await buildPolicyGraph(engine, pipeline, {
      lora: lora(),
      guidanceScale: about.guidanceScale,
      minibatchSize: about.pairs,
      surrogate: {
        type: 'ddpo-is',
        clipRange: about.clipRange,
        advClipMax: about.advClipMax,
      },
      measureKl: false,
      gradientCheckpointing: 'off',
      precision: 'float32',
    });
    const executable = await compileGraph(engine, graph, { label: 'policy' });
    const inputs = [...expected.keys()].filter((key) => key.startsWith('input:'));
    const feeds: Record<string, Tensor> = Object.fromEntries(
      inputs.map((key) => [key.slice('input:'.length), tensorOf(key)]),
    );
    expect(executable.inputs.map((port) => port.name).sort()).toEqual(Object.keys(feeds).sort());
    const results = await executable.run(feeds);
    for (const key of ['loss', 'ratio']) {
      expect(relativeError(float32Data(results[key], key), valuesOf(key)), key).toBeLessThan(1e-4);
    }
    const parameters = adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
    expect(parameters.length).toBe(inputs.filter((key) => key.includes('.lora_')).length);
    for (const parameter of parameters) {
      const found = float32Data(results[`gradient:${parameter}`], parameter);
      expect(relativeError(found, valuesOf(`gradient:${parameter}`)), parameter).toBeLessThan(1e-3);
    }
  });

  it.runIf(name === 'sdxl' || RUNS_ALL)('should take a round on rollouts of its own', async () => {
    const opened = { engine, pipeline, close: async () => {} };
    const trainedSteps = stepsFrom(4);
    const { samples, state } = await sampleTiny(opened, {}, trainedSteps);
    const trainer = await openTinyTrainer(opened);
    const { state: after, statistics } = await trainer.train(stageOf(samples, { trainedSteps }), state);
    expect(statistics.optimizerSteps).toBe(1);
    // The trainer's graph finds the log-probs of the sampler's.
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-5);
    for (const [parameter, values] of Object.entries(after.parameters)) {
      expect(values.every(Number.isFinite), parameter).toBe(true);
      expect(values, parameter).not.toEqual(state.parameters[parameter]);
    }
    await trainer.release();
  });
});
