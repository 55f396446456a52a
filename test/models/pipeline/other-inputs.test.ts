/**
 * @file UNets that take more than latents: pictures against those of diffusers, ratios and gradients, and the same network in
 * ONNX. The fixture is made by tools/reference/other_inputs.py.
 */
import { readFileSync } from 'node:fs';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
import { decodeSafetensors, encodeSafetensors } from '../../../src/models/files/safetensors.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { adapterFeeds } from '../../../src/models/graph/weights/policy-feeds.js';
import { openComponentWeights } from '../../../src/models/networks/component-weights.js';
import { networkGraph, readNetworkWeights } from '../../../src/models/networks/network-weights.js';
import { openDenoiserGraph } from '../../../src/models/networks/open-denoiser-graph.js';
import { unet2dCondition } from '../../../src/models/networks/unet-2d-condition.js';
import { readUnet2dConditionConfig } from '../../../src/models/networks/unet-config.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import { initialParameters } from '../../../src/models/policy/adapter-parameters.js';
import { buildPolicyGraph } from '../../../src/models/policy/policy-graph.js';
import { rowFeeds, type TrainingRow } from '../../../src/models/policy/training-rows.js';
import { reparameterize } from '../../../src/models/reparameterize/reparameterize.js';
import { elementCount, float32, float32Data } from '../../../src/models/tensor.js';
import { directionsNear, dot, slopeAlong } from '../../fixtures/central-slopes.js';
import { drawPictures, furthestFrom } from '../../fixtures/draw-pictures.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { formulaNumbers } from '../../fixtures/formula-numbers.js';
import {
  openTinyTrainer,
  randomAdapter,
  stepsFrom,
  TINY_LORA,
  TINY_SAMPLER,
  TINY_TRAINER,
} from '../../fixtures/open-tiny.js';
import { randomTensor } from '../../fixtures/run-model.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { casesOf } from '../../fixtures/test-all.js';

const FIXTURES = 'test/fixtures';
const path = `${FIXTURES}/other-inputs.safetensors`;
const { tensors, metadata } = decodeSafetensors(readFileSync(path), path);

interface Case {
  readonly pipeline: 'sd1' | 'sdxl';
  /** Other keys of the UNet's config. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What its file holds beside, or instead. */
  readonly weight: {
    readonly name: string;
    readonly shape: readonly number[];
    readonly seed: number;
    readonly scale: number;
  };
  readonly guidanceScale: number;
  readonly extraChannels?: readonly number[];
}
const about = JSON.parse(metadata.about ?? '{}') as {
  readonly prompts: readonly string[];
  readonly numSteps: number;
  readonly seed: number;
  readonly cases: Readonly<Record<string, Case>>;
};
const named = (name: string) => about.cases[name] as Case;

const engine = sharedEngine();
const WEIGHTS = {
  sd1: 'diffusion_pytorch_model.safetensors',
  sdxl: 'diffusion_pytorch_model.fp16.safetensors',
};

/** The fixture's folder with such a UNet. */
async function folderOf({ pipeline, config, weight }: Case): Promise<string> {
  const folder = join(await temporaryFolder(), 'model');
  await cp(`${FIXTURES}/stable-diffusion/${pipeline}`, folder, { recursive: true });
  const configPath = join(folder, 'unet/config.json');
  await writeFile(
    configPath,
    JSON.stringify({ ...JSON.parse(await readFile(configPath, 'utf8')), ...config }),
  );
  const weightsPath = join(folder, 'unet', WEIGHTS[pipeline]);
  const file = decodeSafetensors(await readFile(weightsPath), weightsPath);
  const { name, shape, seed, scale } = weight;
  const data = formulaNumbers(elementCount(shape), seed, scale);
  const changed = new Map(file.tensors).set(name, { dtype: 'F32', shape, data });
  await writeFile(weightsPath, encodeSafetensors({ ...file, tensors: changed }));
  return folder;
}

/** Puts the UNet's graph, with inputs that leave the number of rows open, in the place of its weights. */
async function exported(folder: string): Promise<void> {
  const config = await readUnet2dConditionConfig(join(folder, 'unet/config.json'));
  const weightsPath = join(folder, 'unet', WEIGHTS.sd1);
  const weights = await openComponentWeights(weightsPath);
  const sizes = { rows: 1, sampleSize: config.sampleSize, tokens: 77 };
  const network = (layer: Parameters<typeof unet2dCondition>[0]) => unet2dCondition(layer, config, sizes);
  const graph = networkGraph(network, await readNetworkWeights(network, weights, null));
  await weights.close();
  const open = [...graph.inputs, ...graph.outputs].map(({ name }) => [name, ['batch']]);
  const bytes = encodeGraph(graph, { symbolicAxes: Object.fromEntries(open) });
  await writeFile(join(folder, 'unet/model.onnx'), bytes);
  await rm(weightsPath);
}

async function furthestPicture(pipeline: Pipeline, name: string): Promise<number> {
  const { prompts } = about;
  const denoiser = await openDenoiser(engine, pipeline, { lora: TINY_LORA, rows: [prompts.length] });
  await denoiser.usePolicy(initialParameters(denoiser.adapters, TINY_LORA, 1));
  const { guidanceScale } = named(name);
  const images = await drawPictures(pipeline, denoiser, { ...about, guidanceScale }, 'training');
  const [, height, width] = await pipeline.imageShape();
  const wanted = tensors.get(name)?.data as Float32Array;
  expect(wanted).toHaveLength(prompts.length * height * width * 3);
  await denoiser.release();
  return furthestFrom(wanted, images, height * width);
}

/** A tenth of a gray level; single precision on both sides. */
const NEAR = 0.1 / 255;

/** The relative error of the gradient's length against the slope of -Σ A·ratio / n along it, by central differences. */
async function gradientError(pipeline: Pipeline, guidanceScale: number): Promise<number> {
  const size = 2;
  const settings = {
    ...TINY_TRAINER,
    guidanceScale,
    minibatchSize: size,
    surrogate: { type: 'ddpo-is', clipRange: 0.9, advClipMax: 5 },
  } as const;
  const { graph, adapters } = await buildPolicyGraph(engine, pipeline, settings);
  const executable = await compileGraph(engine, graph, { label: 'policy graph' });
  const parameters = randomAdapter(adapters, 0.3);
  const row = (index: number): TrainingRow => ({
    ...{ prompt: 'two cats', step: 0, timestep: [801, 201][index] ?? 0, weight: 0.5 },
    advantage: [1, -2][index] ?? 0,
    scalars: { sampleCoefficient: 0.9, outputCoefficient: -0.2, stdDevT: 0.5, oldLogProb: 0 },
    latents: () => ({
      sample: randomTensor(index, pipeline.latentShape).data,
      nextLatents: randomTensor(7 + index, pipeline.latentShape).data,
    }),
  });
  const rows = [row(0), row(1)];
  const inputs = executable.inputs.filter(({ name }) => !name.includes('lora'));
  const fed = await rowFeeds(pipeline, rows, inputs, guidanceScale);
  const run = (moved: NamedArrays, oldLogProb: readonly number[]) =>
    executable.run({
      ...fed,
      oldLogProb: float32(oldLogProb, [size]),
      ...adapterFeeds(adapters, moved, TINY_LORA.rank),
    });
  const { ratio } = await run(parameters, [0, 0]);
  const current = [...float32Data(ratio, 'ratio').map(Math.log)];
  const outputs = await run(parameters, current);
  const gradients = Object.fromEntries(
    Object.keys(parameters).map((name) => [name, float32Data(outputs[`gradient:${name}`], name)]),
  );
  const lossAt = async (moved: NamedArrays) =>
    (float32Data((await run(moved, current)).ratio, 'ratio') as Float32Array).reduce(
      (sum, value, index) => sum - (value * (rows[index]?.advantage ?? 0)) / size,
      0,
    );
  const [direction = {}] = directionsNear(gradients, 1, 7);
  const measured = await slopeAlong(lossAt, parameters, direction, 0.02);
  await executable.release();
  return Math.abs(measured / dot(gradients, direction) - 1);
}

/** What a round moves, and how far the trainer's log-probs are from the sampler's. */
async function ratioDeviation(pipeline: Pipeline, guidanceScale: number): Promise<number> {
  const opened = { engine, pipeline, close: async () => {} };
  const trainedSteps = stepsFrom(4);
  const settings = { ...TINY_SAMPLER, guidanceScale, numBranches: 2, groupsPerBatch: 2 };
  const { samples, state } = await sampleTiny(opened, settings, trainedSteps, 0.3, 'float32', about.prompts);
  const trainer = await openTinyTrainer(opened, { guidanceScale });
  const { statistics } = await trainer.train(stageOf(samples, { trainedSteps }), state);
  expect(statistics.optimizerSteps).toBe(1);
  await trainer.release();
  return statistics.maxRatioDeviation ?? Number.NaN;
}

describe('a network that is distilled to a scale of guidance', () => {
  it.each(casesOf(['guidance scale'], ['guidance scale of 1', 'guidance scale of SDXL']))(
    'should draw what diffusers draws, in one pass a step: %s',
    async (name) => {
      const { guidanceScale } = named(name);
      const pipeline = await openPipeline(engine, await folderOf(named(name)));
      expect(pipeline.usesGuidance(guidanceScale)).toBe(false);
      expect(await furthestPicture(pipeline, name)).toBeLessThan(NEAR);
    },
  );

  it('should be trained under the scale that it is sampled with', async () => {
    const pipeline = await openPipeline(engine, await folderOf(named('guidance scale')));
    expect(await ratioDeviation(pipeline, 7.5)).toBeLessThan(1e-5);
    expect(await gradientError(pipeline, 7.5)).toBeLessThan(1e-2);
  });

  it('should be fed in ONNX, where config.json says how wide its input is', async () => {
    const folder = await folderOf(named('guidance scale'));
    await exported(folder);
    expect(await furthestPicture(await openPipeline(engine, folder), 'guidance scale')).toBeLessThan(NEAR);
    const config = join(folder, 'unet/config.json');
    await writeFile(config, (await readFile(config, 'utf8')).replace('time_cond_proj_dim', 'other'));
    const pipeline = await openPipeline(engine, folder);
    expect(await faultOf(() => openDenoiserGraph(engine, pipeline, 1))).toEqual([
      'TRIB_MODEL',
      expect.stringContaining(
        'got timestep_cond too. Set time_cond_proj_dim in the config.json beside it to the width of timestep_cond.',
      ),
    ]);
  });
});

describe('a network with channels beside the latents', () => {
  it.each(['inpainting', 'instruct-pix2pix'])('should draw what diffusers draws: %s', async (name) => {
    const pipeline = await openPipeline(engine, await folderOf(named(name)), named(name));
    expect(await furthestPicture(pipeline, name)).toBeLessThan(NEAR);
  });

  it('should be trained on the constants that it is sampled with', async () => {
    const one = named('inpainting');
    const pipeline = await openPipeline(engine, await folderOf(one), one);
    expect(await ratioDeviation(pipeline, one.guidanceScale)).toBeLessThan(1e-5);
    expect(await gradientError(pipeline, one.guidanceScale)).toBeLessThan(1e-2);
  });

  it('should be filled in ONNX', async () => {
    const folder = await folderOf(named('inpainting'));
    await exported(folder);
    const pipeline = await openPipeline(engine, folder, named('inpainting'));
    expect(await furthestPicture(pipeline, 'inpainting')).toBeLessThan(NEAR);
  });

  it('should be refused where there is not a number for each, by the name of the setting', async () => {
    const folder = await folderOf(named('inpainting'));
    const refused = async (of: string, extraChannels?: readonly number[]) =>
      (await faultOf(() => openPipeline(engine, of, { extraChannels }))).join(' ');
    const wanted = `TRIB_CONFIG model.extraChannels: expected 5 numbers, because the UNet of ${folder} takes 9 channels, 4 of latents and 5 beside them, as inpainting: a mask, then the latents of a masked picture, got`;
    const nextStep = 'Set a constant for each, see "Channels beside the latents" in docs/models.md.';
    expect(await refused(folder)).toBe(`${wanted} none. ${nextStep}`);
    expect(await refused(folder, [1, 0])).toBe(`${wanted} 2. ${nextStep}`);
    expect(await refused(`${FIXTURES}/stable-diffusion/sd1`, [1])).toContain(
      'takes latents alone, got 1. Leave it out.',
    );
    await exported(folder);
    expect(await faultOf(() => reparameterize(folder, 'flow', join(folder, 'flow')))).toEqual([
      'TRIB_MODEL',
      `${folder}: expected a network of 4 channels, which takes latents alone, got one of 9. Start from such a model.`,
    ]);
  });
});
