import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { at } from '../../../src/at.js';
import { stochasticCoefficients } from '../../../src/models/diffusion/stochastic-steps.js';
import { compileGraph } from '../../../src/models/engines/compile-graph.js';
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
import { elementCount, float32Data } from '../../../src/models/tensor.js';
import { directionsNear, dot, slopeAlong } from '../../fixtures/central-slopes.js';
import { drawPictures, furthestFrom } from '../../fixtures/draw-pictures.js';
import { faultOf } from '../../fixtures/fault-of.js';
import {
  openTinySampler,
  stepsFrom,
  TINY_LORA,
  TINY_SAMPLER,
  TINY_TRAINER,
} from '../../fixtures/open-tiny.js';
import { about, folderWith, otherInputs, picturesOf, WEIGHTS } from '../../fixtures/other-inputs.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { casesOf, RUNS_ALL } from '../../fixtures/test-all.js';

const FIXTURES = 'test/fixtures';

const engine = sharedEngine();
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
  const { guidanceScale } = otherInputs(name);
  const images = await drawPictures(pipeline, denoiser, { ...about, guidanceScale }, 'training');
  const [, height, width] = await pipeline.imageShape();
  const wanted = picturesOf(name);
  expect(wanted).toHaveLength(prompts.length * height * width * 3);
  await denoiser.release();
  return furthestFrom(wanted, images, height * width);
}

/** A tenth of a gray level; single precision on both sides. */
const NEAR = 0.1 / 255;

/** Two steps of a trajectory, as rows of the training graph. */
async function sampledRows(
  pipeline: Pipeline,
  guidanceScale: number,
): Promise<{ readonly rows: readonly TrainingRow[]; readonly parameters: NamedArrays }> {
  const settings = { ...TINY_SAMPLER, guidanceScale, numBranches: 1, groupsPerBatch: 1 };
  const opened = { engine, pipeline, close: async () => {} };
  const { sampler, parameters } = await openTinySampler(opened, settings);
  const [prompt = ''] = about.prompts;
  const [group] = await sampler.rollout([{ groupIndex: 0, prompt }], stepsFrom(0));
  const { latents, logProbs } = at(group?.branches ?? [], 0).trajectory;
  const size = elementCount(pipeline.latentShape);
  const steps = stochasticCoefficients(pipeline.schedule, settings, stepsFrom(0));
  const rows = [0, 3].map((step, row): TrainingRow => {
    const { timestep, sampleCoefficient, outputCoefficient, stdDevT } = at(steps, step);
    const oldLogProb = at(logProbs, step);
    const latentsFrom = (first: number) => latents.slice(first * size, (first + 1) * size);
    return {
      ...{ prompt, step, timestep, weight: 0.5, advantage: [1, -2][row] ?? 0 },
      scalars: { sampleCoefficient, outputCoefficient, stdDevT, oldLogProb },
      latents: () => ({ sample: latentsFrom(step), nextLatents: latentsFrom(step + 1) }),
    };
  });
  return { rows, parameters };
}

/** How far ratios are from 1, and the gradient from the slope of -Σ A·ratio / 2 along it, by central differences. */
async function trainingErrors(pipeline: Pipeline, guidanceScale: number) {
  const { rows, parameters } = await sampledRows(pipeline, guidanceScale);
  const { graph, adapters } = await buildPolicyGraph(engine, pipeline, {
    ...TINY_TRAINER,
    guidanceScale,
    minibatchSize: rows.length,
    surrogate: { type: 'ddpo-is', clipRange: 0.9, advClipMax: 5 },
  });
  const executable = await compileGraph(engine, graph, { label: 'policy graph' });
  const inputs = executable.inputs.filter(({ name }) => !name.includes('lora'));
  const fed = await rowFeeds(pipeline, rows, inputs, guidanceScale);
  const run = (moved: NamedArrays) =>
    executable.run({ ...fed, ...adapterFeeds(adapters, moved, TINY_LORA.rank) });
  const outputs = await run(parameters);
  const gradients = Object.fromEntries(
    Object.keys(parameters).map((name) => [name, float32Data(outputs[`gradient:${name}`], name)]),
  );
  const ratios = async (moved: NamedArrays) => [...float32Data((await run(moved)).ratio, 'ratio')];
  const lossAt = async (moved: NamedArrays) =>
    (await ratios(moved)).reduce((sum, ratio, row) => sum - (ratio * at(rows, row).advantage) / 2, 0);
  const [direction = {}] = directionsNear(gradients, 1, 7);
  const slope = await slopeAlong(lossAt, parameters, direction, 0.02);
  const ratio = Math.max(...float32Data(outputs.ratio, 'ratio').map((value) => Math.abs(value - 1)));
  await executable.release();
  return { ratio, gradient: Math.abs(slope / dot(gradients, direction) - 1) };
}

describe('a network that is distilled to a scale of guidance', () => {
  it.each(casesOf(['guidance scale'], ['guidance scale of 1', 'guidance scale of SDXL']))(
    'should draw what diffusers draws, in one pass a step: %s',
    async (name) => {
      const { guidanceScale } = otherInputs(name);
      const pipeline = await openPipeline(engine, await folderWith(otherInputs(name)));
      expect(pipeline.usesGuidance(guidanceScale)).toBe(false);
      expect(await furthestPicture(pipeline, name)).toBeLessThan(NEAR);
    },
  );

  it('should be fed in ONNX, where config.json says how wide its input is', async () => {
    const folder = await folderWith(otherInputs('guidance scale'));
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
  it.each(casesOf(['inpainting'], ['instruct-pix2pix']))(
    'should draw what diffusers draws: %s',
    async (name) => {
      const pipeline = await openPipeline(engine, await folderWith(otherInputs(name)), otherInputs(name));
      expect(await furthestPicture(pipeline, name)).toBeLessThan(NEAR);
    },
  );

  it.runIf(RUNS_ALL)('should be filled in ONNX', async () => {
    const folder = await folderWith(otherInputs('inpainting'));
    await exported(folder);
    const pipeline = await openPipeline(engine, folder, otherInputs('inpainting'));
    expect(await furthestPicture(pipeline, 'inpainting')).toBeLessThan(NEAR);
  });

  it('should be refused where there is not a number for each, by the name of the setting', async () => {
    const folder = await folderWith(otherInputs('inpainting'));
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

it.each(casesOf(['both'], ['guidance scale', 'inpainting']))(
  'should be trained on what it is sampled with: %s',
  async (name) => {
    const [scaled, filled] = [otherInputs('guidance scale'), otherInputs('inpainting')];
    const folder = await (name === 'both' ? folderWith(scaled, filled) : folderWith(otherInputs(name)));
    const options = name === 'guidance scale' ? {} : filled;
    const errors = await trainingErrors(await openPipeline(engine, folder, options), 7.5);
    expect(errors.ratio).toBeLessThan(1e-5);
    expect(errors.gradient).toBeLessThan(1e-2);
  },
);
