/**
 * @file LoRA of text encoders, trained beside that of the UNet: against autograd through the prompts (the fixtures are made by
 * tools/reference/text_encoder_lora.py), and what sampler and trainer make of the same parameters.
 */

import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { at } from '../../../src/at.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import type { Precision } from '../../../src/models/graph/graph.js';
import type { LoraSettings } from '../../../src/models/graph/weights/lora.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline } from '../../../src/models/pipeline/pipeline.js';
import { encodeParameters } from '../../../src/models/policy/adapter-parameters.js';
import { decodePolicy, policyParameters, startingPolicy } from '../../../src/models/policy/policy-file.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import { openTextPolicy, type TextPolicy } from '../../../src/models/policy/text-policy.js';
import { createTrainer } from '../../../src/models/policy/trainer.js';
import { openTrainingRuns } from '../../../src/models/policy/training-runs.js';
import { createTrainingStatistics } from '../../../src/models/policy/training-statistics.js';
import { createSampler } from '../../../src/models/rollouts/sampler.js';
import { elementCount } from '../../../src/models/tensor.js';
import { emulatedHalf } from '../../fixtures/emulated-half.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { openTiny, randomAdapter, stepsFrom, TINY_SAMPLER, TINY_TRAINER } from '../../fixtures/open-tiny.js';
import { stageOf, untrained } from '../../fixtures/sample-tiny.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { casesOf } from '../../fixtures/test-all.js';

const PIPELINES = 'test/fixtures/stable-diffusion';
const FIXTURES = 'test/fixtures/text-encoder-lora';
const TEXT_LAYERS = 'self_attn/(q|k|v|out)_proj';

/** |a - b| / |b|, as vectors. */
function relativeError(found: ArrayLike<number>, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.NaN;
  let [error, size] = [0, 0];
  expected.forEach((value, i) => {
    error += ((found[i] ?? Number.NaN) - value) ** 2;
    size += value ** 2;
  });
  return size === 0 ? error : Math.sqrt(error / size);
}

/** Everything of a policy whose text encoders are trained. */
async function openPolicy(name: string, settings: typeof TINY_TRAINER) {
  const cpu = sharedEngine();
  const engine = settings.precision === 'float16' ? emulatedHalf(cpu) : cpu;
  const pipeline = await openPipeline(engine, `${PIPELINES}/${name}`);
  const policyGraph = await buildPolicyGraph(engine, pipeline, settings);
  const text = (await openTextPolicy(engine, pipeline, settings.lora)) as TextPolicy;
  const inputs = { ...policyGraph, adapters: [...policyGraph.adapters, ...text.adapters] };
  return { engine, pipeline, policyGraph, text, inputs, settings };
}

/** Of half precision: docs/gpu.md says what PyTorch's own are off by. */
const BOUNDS = { float32: 1e-3, float16: 5e-2 };

it.each(
  casesOf(['sdxl float32', 'sd1 float16'], ['sd1 float32', 'sd2 float32', 'sd2 float16', 'sdxl float16']),
)('should have the gradients of autograd in UNet and text encoders: %s', async (title) => {
  const [name, precision] = title.split(' ') as [string, Precision];
  const path = `${FIXTURES}/${name}-expected.safetensors`;
  const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);
  const about = JSON.parse(metadata.about ?? '');
  const values = (key: string) => tensors.get(key)?.data as Float32Array;
  const lora = { ...about, pattern: 'attn2/to_[kv]', textEncoder: TEXT_LAYERS } as LoraSettings;
  const settings = {
    ...TINY_TRAINER,
    lora,
    guidanceScale: about.guidanceScale,
    surrogate: { type: 'ddpo-is', clipRange: about.clipRange, advClipMax: about.advClipMax } as const,
    measureKl: true,
    precision,
    // The second of two runs is filled up.
    minibatchSize: 3,
  };
  const { engine, pipeline, policyGraph, text, inputs } = await openPolicy(name, settings);
  const runs = await openTrainingRuns(engine, { pipeline, policyGraph }, [], settings, text);
  const adapter = `${FIXTURES}/${name}.safetensors`;
  const parameters = policyParameters(decodePolicy(readFileSync(adapter), adapter), inputs, adapter);
  const size = elementCount(pipeline.latentShape);
  const units = about.prompts.map((prompt: string, row: number) => {
    const of = (key: string) => at(values(`input:${key}`), row);
    const latentOf = (key: string) => values(`input:${key}`).subarray(row * size, (row + 1) * size);
    const names = ['sampleCoefficient', 'outputCoefficient', 'stdDevT', 'oldLogProb'];
    const scalars = Object.fromEntries(names.map((key) => [key, of(key)]));
    return [
      {
        ...{ prompt, negativePrompt: about.negativePrompts[row], step: row, scalars },
        ...{ timestep: of('timestep'), weight: of('weight'), advantage: of('advantage') },
        latents: () => ({ sample: latentOf('sample'), nextLatents: latentOf('nextLatents') }),
      },
    ];
  });
  const statistics = createTrainingStatistics(about.clipRange, units.length);
  const scale = precision === 'float16' ? 1024 : 1;
  const policy = { parameters, old: parameters, start: undefined, scale };
  const { loss, gradients } = await runs.sumGradients(units, policy, statistics);

  const bound = BOUNDS[precision];
  expect(relativeError([loss], values('loss'))).toBeLessThan(bound / 10);
  const kls = values('klToPretrained');
  const meanKl = kls.reduce((sum, kl) => sum + kl, 0) / kls.length;
  expect(Math.abs((statistics.result().klToPretrained ?? 0) / meanKl - 1)).toBeLessThan(bound / 10);
  const file = encodeParameters(inputs, gradients, lora);
  const found = decodeSafetensors(file, name).tensors;
  const wanted = [...tensors.keys()].filter((key) => key.startsWith('gradient:'));
  expect([...found.keys()].map((key) => `gradient:${key}`).sort()).toEqual(wanted.sort());
  const gradientOf = (key: string) => found.get(key.slice('gradient:'.length))?.data as Float32Array;
  for (const part of ['gradient:unet.', 'gradient:text_encoder.', 'gradient:text_encoder_2.']) {
    const keys = wanted.filter((key) => key.startsWith(part));
    const all = (of: (key: string) => Float32Array) => Float32Array.from(keys.flatMap((key) => [...of(key)]));
    expect(relativeError(all(gradientOf), all(values)), part).toBeLessThan(bound);
  }
  // In half precision a layer with little of the gradient may be off by more.
  if (precision === 'float32')
    for (const key of wanted) expect(relativeError(gradientOf(key), values(key)), key).toBeLessThan(bound);
  // The last layer of SDXL's first encoder gives nothing that the UNet sees.
  const idle = wanted.filter((key) => values(key).every((value) => value === 0));
  expect(idle.every((key) => key.includes('text_encoder.text_model.encoder.layers.2.'))).toBe(true);
  expect(idle).toHaveLength(name === 'sdxl' ? 8 : 0);
  await runs.release();
});

describe('a policy of UNet and text encoder', () => {
  const LORA: LoraSettings = { pattern: 'attn2/to_[kv]', textEncoder: TEXT_LAYERS, rank: 2, alpha: 3 };
  const PROMPTS = ['a photo of the cat', 'two dogs'];
  const trainedSteps = stepsFrom(1);
  let policy: Awaited<ReturnType<typeof openPolicy>>;

  beforeAll(async () => {
    policy = await openPolicy('sd1', { ...TINY_TRAINER, lora: LORA });
  });

  /** The sampler's side, which has the text encoder open for itself. */
  async function openSampling() {
    const pipeline = await openPipeline(policy.engine, `${PIPELINES}/sd1`, { lora: LORA });
    const denoiser = await openDenoiser(policy.engine, pipeline, { lora: LORA, rows: [12] });
    const usePolicy = async (parameters: ReturnType<typeof randomAdapter>) => {
      await pipeline.usePolicy(parameters);
      await denoiser.usePolicy(parameters);
    };
    return {
      pipeline,
      usePolicy,
      sampler: createSampler(pipeline, denoiser, { ...TINY_SAMPLER, groupsPerBatch: 2 }),
    };
  }

  it('should have ratios of 1 before the first update, and train every parameter', async () => {
    const { pipeline, usePolicy, sampler } = await openSampling();
    // A policy begins as the model without adapters.
    await usePolicy(startingPolicy(policy.inputs, LORA, 3));
    for (const prompt of ['', ...PROMPTS])
      expect(await pipeline.embedPrompt(prompt)).toEqual(await policy.pipeline.embedPrompt(prompt));

    const parameters = randomAdapter(policy.inputs.adapters, 0.3);
    await usePolicy(parameters);
    const groups = await sampler.rollout(
      PROMPTS.map((prompt, groupIndex) => ({ groupIndex, prompt })),
      trainedSteps,
    );
    const samples = groups.flatMap(({ branches }, group) =>
      branches.map(({ trajectory }, leaf) => ({
        ...{
          groupId: `group-${group}`,
          prompt: at(PROMPTS, group),
          advantage: leaf - 0.5,
          stepAdvantages: null,
        },
        trajectory,
      })),
    );
    const rows = await policy.text.embed(PROMPTS, parameters);
    for (const [prompt, row] of rows) {
      expect(await pipeline.embedPrompt(prompt)).toEqual(row);
      expect(row).not.toEqual(await policy.pipeline.embedPrompt(prompt));
    }
    const trainer = await createTrainer(policy);
    const round = stageOf(samples, { trainedSteps });
    const { state, statistics } = await trainer.train(round, untrained(parameters));
    expect(statistics.maxRatioDeviation).toBeLessThan(1e-5);
    for (const [name, before] of Object.entries(parameters))
      expect(state.parameters[name], name).not.toEqual(before);

    // Had the sampler embedded by other parameters, it would show.
    const isText = (name: string) => name.startsWith('text_encoder.');
    const other = Object.fromEntries(
      Object.entries(parameters).map(([name, all]) => [name, isText(name) ? all.map((one) => one / 2) : all]),
    );
    const off = await trainer.logRatios(round, other);
    expect(Math.max(...(off ?? []).map(Math.abs))).toBeGreaterThan(1e-3);
    // A newly received policy changes embeddings that were there.
    await usePolicy(other);
    expect(await pipeline.embedPrompt(at(PROMPTS, 0))).not.toEqual(rows.get(at(PROMPTS, 0)));
  });

  it('should refuse a graph in ONNX form, and a pattern that no layer matches', async () => {
    const tiny = await openTiny();
    const path = tiny.pipeline.folder.textEncoders[0]?.modelPath;
    expect(await faultOf(() => openTextPolicy(tiny.engine, tiny.pipeline, LORA))).toEqual([
      'TRIB_LORA',
      `${path}: expected a CLIP text encoder in safetensors, which model.lora.textEncoder can adapt, got a graph in ONNX form. Use the model in the layout of diffusers, or leave model.lora.textEncoder out.`,
    ]);
    await tiny.close();
    const [code, message] = await faultOf(() =>
      openTextPolicy(policy.engine, policy.pipeline, { ...LORA, textEncoder: 'attn1/to_q' }),
    );
    expect(code).toBe('TRIB_LORA');
    expect(message).toContain(
      'sd1/text_encoder/model.safetensors model.lora.textEncoder LoRA pattern "attn1/to_q"',
    );
    expect(message).toContain('Names look like /text_model/encoder/layers.0/self_attn/');
  });
});
