import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createNoiseSchedule } from '../../../src/models/diffusion/noise-schedule.js';
import { samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import type { Engine, Executable } from '../../../src/models/engines/contract/engine.js';
import { prepareGraph } from '../../../src/models/engines/prepare-graph.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import { timestepTensor } from '../../../src/models/networks/open-denoiser-graph.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { reparameterize } from '../../../src/models/reparameterize/reparameterize.js';
import { asFlow } from '../../../src/models/reparameterize/reparameterized-output.js';
import { wrapDenoiser } from '../../../src/models/reparameterize/wrap-denoiser.js';
import { float32, float32Data } from '../../../src/models/tensor.js';
import { largestDifference, randomTensor } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { TINY_SCHEDULER, writeTinyPipeline } from '../../fixtures/tiny-pipeline.js';

const ROW = 3 * 16 * 16;
const SCHEDULE = createNoiseSchedule(TINY_SCHEDULER);
const signalAt = (timestep: number) => Math.sqrt(SCHEDULE.alphasCumprod[timestep] ?? 0);
const noiseAt = (timestep: number) => Math.sqrt(1 - signalAt(timestep) ** 2);
/** σ and length of the point (1 - σ, σ) that has the signal-to-noise ratio of a timestep. */
const sigmaAt = (timestep: number) => noiseAt(timestep) / (signalAt(timestep) + noiseAt(timestep));
const lengthAt = (sigma: number) => Math.hypot(1 - sigma, sigma);

type Predict = (latents: Float32Array, timestep: number) => Promise<Float32Array>;

/** The UNet of a pipeline folder, run with a batch of its own choice. */
async function openUnet(path: string): Promise<Predict> {
  const unet = await engine.compile(await readFile(join(path, 'unet/model.onnx')), { label: path });
  opened.push(unet);
  const port = unet.inputs.find(({ name }) => name === 'timestep');
  return async (latents, timestep) => {
    const rows = latents.length / ROW;
    const { out_sample } = await unet.run({
      sample: float32(latents, [rows, 3, 16, 16]),
      timestep: timestepTensor(new Array(rows).fill(timestep), port?.type ?? 'int64', port?.shape ?? []),
      encoder_hidden_states: embeds(rows),
    });
    return float32Data(out_sample, 'out_sample');
  };
}

const embeds = (rows: number) => randomTensor(4, [rows, TOKENS, 16]);
const latentsOf = (rows: number) => randomTensor(3, [rows, 3, 16, 16]).data;
const combined = (a: number, x: Float32Array, b: number, y: Float32Array) =>
  x.map((value, i) => a * value + b * (y[i] ?? Number.NaN));

let engine: Engine;
const opened: Executable[] = [];
let TOKENS = 0;
let folder = '';
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  engine = sharedEngine();
  folder = await mkdtemp(join(tmpdir(), 'reparameterize-'));
  for (const oneTimestep of [false, true]) {
    const source = at(oneTimestep ? 'scalar' : 'vector');
    await writeTinyPipeline(source, { oneTimestep, vae: true });
    await reparameterize(source, 'v_prediction', `${source}-v`);
    await reparameterize(source, 'flow', `${source}-flow`);
  }
  const { model_max_length } = JSON.parse(
    await readFile(at('vector/tokenizer/tokenizer_config.json'), 'utf8'),
  ) as { model_max_length: number };
  TOKENS = model_max_length;
});
afterAll(async () => {
  for (const executable of opened) await executable.release();
  await rm(folder, { recursive: true, force: true });
});

describe.each(['vector', 'scalar'])('a reparameterized model whose timestep is a %s', (kind) => {
  let epsilon: Predict;
  let v: Predict;
  let flow: Predict;
  beforeAll(async () => {
    [epsilon, v, flow] = await Promise.all([
      openUnet(at(kind)),
      openUnet(at(`${kind}-v`)),
      openUnet(at(`${kind}-flow`)),
    ]);
  });

  test.each([1, 2, 5])(
    'should draw the same pictures from v in 20 deterministic steps, %i at once',
    async (rows) => {
      const trajectoryEnd = async (predict: Predict, predictionType: 'epsilon' | 'v_prediction') => {
        let latents = latentsOf(rows);
        const schedule = createNoiseSchedule({ ...TINY_SCHEDULER, predictionType });
        for (const { timestep, sampleCoefficient, outputCoefficient } of samplerCoefficients(schedule, 20, 0))
          latents = combined(sampleCoefficient, latents, outputCoefficient, await predict(latents, timestep));
        return latents;
      };
      const expected = await trajectoryEnd(epsilon, 'epsilon');
      expect(largestDifference(await trajectoryEnd(v, 'v_prediction'), expected)).toBeLessThan(1e-4);
    },
  );

  test.each([0, 1, 17, 500, 998, 999])(
    'should speak of the same picture as a flow at timestep %i',
    async (t) => {
      const sigma = sigmaAt(t);
      const latents = latentsOf(2);
      const original = combined(
        1 / signalAt(t),
        latents,
        -noiseAt(t) / signalAt(t),
        await epsilon(latents, t),
      );
      const onLine = latents.map((value) => lengthAt(sigma) * value);
      const velocity = await flow(onLine, sigma * 1000);
      expect(largestDifference(combined(1, onLine, -sigma, velocity), original)).toBeLessThan(1e-4);
    },
  );

  test('should take Euler steps of the flow from and to the points of deterministic DDIM steps', async () => {
    let latents = latentsOf(2);
    let onLine = latents.map((value) => lengthAt(sigmaAt(951)) * value);
    for (const step of samplerCoefficients(SCHEDULE, 20, 0).slice(0, -1)) {
      const { timestep, prevTimestep, sampleCoefficient, outputCoefficient } = step;
      const length = sigmaAt(prevTimestep) - sigmaAt(timestep);
      onLine = combined(1, onLine, length, await flow(onLine, sigmaAt(timestep) * 1000));
      latents = combined(sampleCoefficient, latents, outputCoefficient, await epsilon(latents, timestep));
    }
    const back = onLine.map((value) => value / lengthAt(sigmaAt(1)));
    expect(largestDifference(back, latents)).toBeLessThan(1e-3);
  });

  test('should read pure noise as a DDIM sampler does that starts from it', async () => {
    const latents = latentsOf(2);
    const original = combined(
      1 / signalAt(999),
      latents,
      -noiseAt(999) / signalAt(999),
      await epsilon(latents, 999),
    );
    const velocity = await flow(latents, 1000);
    expect(largestDifference(combined(1, latents, -1, velocity), original)).toBeLessThan(1e-4);
  });

  test('should have a finite velocity with hardly any noise: that of the noise it is told', async () => {
    const sigma = 0.001;
    const latents = latentsOf(2);
    const noise = await epsilon(
      latents.map((value) => value / lengthAt(sigma)),
      0,
    );
    const expected = combined(1 / (1 - sigma), noise, -1 / (1 - sigma), latents);
    expect(largestDifference(await flow(latents, 1000 * sigma), expected)).toBeLessThan(1e-4);
  });

  test('should keep the names of weights and layers, and fixed sizes can be prepared for training', async () => {
    for (const [name, type] of [
      [`${kind}-v`, 'int64'],
      [`${kind}-flow`, 'float32'],
    ] as const) {
      const bytes = await readFile(join(folder, name, 'unet/model.onnx'));
      const graph = await prepareGraph(engine, bytes, {
        label: name,
        inputShapes: {
          sample: [4, 3, 16, 16],
          encoder_hidden_states: [4, TOKENS, 16],
          ...(kind === 'vector' ? { timestep: [4] } : {}),
        },
      });
      expect(graph.inputs.find((input) => input.name === 'timestep')?.type).toBe(type);
      expect(graph.outputs).toEqual([{ name: 'out_sample', type: 'float32', shape: [4, 3, 16, 16] }]);
      expect([...graph.initializers.keys()]).toContain('conv_in.weight');
      expect(graph.nodes.map((node) => node.name).join()).toMatch(/attn2\/to_q\/MatMul/);
    }
  });
});

describe('the timestep that a flow tells the network', () => {
  test.each([
    [0.3 * sigmaAt(400) + 0.7 * sigmaAt(401), 400.7],
    [0.5 * sigmaAt(0) + 0.5 * sigmaAt(1), 0.5],
    [sigmaAt(500), 500],
    [0.001, 0],
  ])('should lie on a line in sigma between integers, and not below 0: %d', async (sigma, expected) => {
    // A network whose output is its timestep. On latents of zero, v = t - x̂_0 = t + t · sigma / (1 - sigma).
    const g = new GraphBuilder();
    const sample = g.input('sample', 'float32', [1, 3, 16, 16]);
    const time = g.input('timestep', 'int64', [1]).cast('float32');
    g.output(sample.add(time.reshape([-1, 1, 1, 1])), 'out_sample');
    const bytes = wrapDenoiser(encodeGraph(g.build()), 'timestep as output', asFlow(SCHEDULE));
    const executable = await engine.compile(bytes, { label: 'timestep as output' });
    opened.push(executable);
    const { out_sample } = await executable.run({
      sample: float32(new Float32Array(ROW), [1, 3, 16, 16]),
      timestep: float32([1000 * sigma], [1]),
    });
    expect(Math.abs((float32Data(out_sample, 'out_sample')[0] ?? 0) * (1 - sigma) - expected)).toBeLessThan(
      1e-3,
    );
  });
});

describe('reparameterize', () => {
  test('should write a folder that the pipeline reads, with the parts that it needs', async () => {
    const source = await readPipelineFolder(at('vector'));
    const v = await readPipelineFolder(at('vector-v'));
    const flow = await readPipelineFolder(at('vector-flow'));
    expect(v.scheduler).toEqual({ ...TINY_SCHEDULER, predictionType: 'v_prediction' });
    expect(flow.scheduler).toEqual({ predictionType: 'flow', numTrainTimesteps: 1000, shift: 1 });
    expect(flow.denoiser.config).toEqual(source.denoiser.config);
    expect(flow.vaeDecoder?.config).toEqual(source.vaeDecoder?.config);
    const names = async (name: string) => (await readdir(at(name), { recursive: true })).sort();
    expect(await names('vector-flow')).toEqual(await names('vector'));
    for (const name of ['prompts/train.txt', 'reward/vision_model.onnx', 'tokenizer/vocab.json'])
      expect(await readFile(at(`vector-v/${name}`))).toEqual(await readFile(at(`vector/${name}`)));
    const index = JSON.parse(await readFile(at('vector-flow/model_index.json'), 'utf8'));
    expect(index.scheduler).toEqual(['diffusers', 'FlowMatchEulerDiscreteScheduler']);
    expect(index._class_name).toBe('TributaryPipeline');
  });

  test('should leave a folder with files alone', async () => {
    await writeFile(at('note.txt'), 'mine');
    await expect(reparameterize(at('vector'), 'flow', folder)).rejects.toMatchObject({
      code: 'TRIB_USAGE',
      message: `${folder}: expected an empty or a new folder, got one with files. Choose another, or empty it.`,
    });
    await expect(reparameterize(at('vector'), 'flow', at('note.txt'))).rejects.toMatchObject({
      code: 'TRIB_USAGE',
    });
    expect(await readFile(at('note.txt'), 'utf8')).toBe('mine');
  });

  test('should refuse a model that predicts velocities already, and write nothing', async () => {
    await expect(reparameterize(at('vector-v'), 'flow', at('again'))).rejects.toMatchObject({
      code: 'TRIB_MODEL',
      message: `${at('vector-v')}: expected a model that predicts epsilon, got one that predicts v_prediction. Start from such a model.`,
    });
    expect(await readdir(folder)).not.toContain('again');
  });
});

describe('wrapDenoiser', () => {
  const identity = { after: (_: GraphBuilder, __: unknown, output: { name: string }) => output as never };

  test('should refuse float timesteps for a model that computes with integer ones', () => {
    const g = new GraphBuilder();
    const sample = g.input('sample', 'float32', [1, 1, 1, 1]);
    const index = g.input('timestep', 'int64', [1]).reshape([1]);
    const known = g.constant(float32([1, 2], [2]));
    g.output(sample.add(known.gather(index)), 'out_sample');
    const bytes = encodeGraph(g.build());
    expect(() => wrapDenoiser(bytes, 'm.onnx', { ...identity, timestepType: 'float32' })).toThrow(
      'm.onnx Gather "/Gather": expected integer timesteps to be cast to floats first, got them used as integers.',
    );
    expect(() => wrapDenoiser(bytes, 'm.onnx', identity)).not.toThrow();
  });

  test('should refuse a graph that is no denoiser', () => {
    const g = new GraphBuilder();
    g.output(g.input('sample', 'float32', [1]).neg(), 'out_sample');
    expect(() => wrapDenoiser(encodeGraph(g.build()), 'm.onnx', identity)).toThrow(
      'm.onnx: expected an input "timestep", got inputs sample.',
    );
  });
});
