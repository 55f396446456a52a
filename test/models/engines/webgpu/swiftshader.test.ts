/**
 * @file WebGPU from end to end, on a driver that computes on the CPU: one sampler and one update of the trainer, held
 * against the CPU provider. Skipped with a message where Chromium's SwiftShader is not installed.
 */

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Engine, Tensors } from '../../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../../src/models/engines/onnxruntime/engine.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { gatherAttention, writeAttention } from '../../../../src/models/graph/passes/attention.js';
import type { NamedArrays } from '../../../../src/models/optimizers/adamw.js';
import { openDenoiser } from '../../../../src/models/pipeline/denoiser.js';
import { openPipeline } from '../../../../src/models/pipeline/pipeline.js';
import { buildPolicyGraph } from '../../../../src/models/policy/policy-graph.js';
import { createTrainer } from '../../../../src/models/policy/trainer.js';
import type { TrainerSettings } from '../../../../src/models/policy/trainer-settings.js';
import { createSampler, type SampledBranch } from '../../../../src/models/rollouts/sampler.js';
import { float32, float32Data } from '../../../../src/models/tensor.js';
import { attention, SIZES, withGradients } from '../../../fixtures/attention-graph.js';
import { randomAdapter, TINY_LORA, TINY_SAMPLER, TINY_TRAINER } from '../../../fixtures/open-tiny.js';
import { randomTensor } from '../../../fixtures/run-model.js';
import { stageOf, untrained } from '../../../fixtures/sample-tiny.js';
import { casesOf } from '../../../fixtures/test-all.js';
import { describeOnSwiftShader } from '../../../fixtures/webgpu/swiftshader.js';

/** One CPU core does a GPU's work here: the largest of the tests takes a minute on an idle machine. */
const PATIENCE = 900_000;
/** A sine of WGSL alone may be off by 2^-11, and the timestep goes through one. Wrong attention is off by 4e-3 and more. */
const TOLERANCE = 1e-3;
const PICTURE_TOLERANCE = 3e-3;
const GRADIENT_TOLERANCE = 5e-3;

/** What every graph that was compiled said of operators on the CPU. */
const leftToCpu: string[] = [];
const listening = (engine: Engine): Engine => ({
  ...engine,
  async compile(model, options) {
    const executable = await engine.compile(model, options);
    leftToCpu.push(...executable.fallbacks);
    return executable;
  },
});

/** |a - b| / |b|, as vectors. */
function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    error += ((a[i] ?? Number.NaN) - (b[i] ?? 0)) ** 2;
    size += (b[i] ?? 0) ** 2;
  }
  return a.length === b.length ? Math.sqrt(error / size) : Number.NaN;
}

const SAMPLER = {
  ...TINY_SAMPLER,
  numInferenceSteps: 2,
  numBranches: 1,
  groupsPerBatch: 1,
  guidanceScale: 1,
};
const TRAINED_STEPS = [0];

/** One rollout of one prompt, by an adapter that is at work. */
async function sample(engine: Engine, folder: string, prompt: string) {
  const pipeline = await openPipeline(engine, folder);
  const denoiser = await openDenoiser(engine, pipeline, { lora: TINY_LORA, rows: [1] });
  const parameters = randomAdapter(denoiser.adapters, 0.05);
  await denoiser.usePolicy(parameters);
  const [group] = await createSampler(pipeline, denoiser, SAMPLER).rollout(
    [{ groupIndex: 3, prompt }],
    TRAINED_STEPS,
  );
  const { provider, fallbacks } = denoiser;
  await denoiser.release();
  return { provider, fallbacks, parameters, branch: group?.branches[0] as SampledBranch };
}

/** One step of one sample is trained, in an update whose size is that of the gradient: Adam's epsilon drowns its normalization. */
const TRAINER: TrainerSettings = {
  ...TINY_TRAINER,
  guidanceScale: SAMPLER.guidanceScale,
  sampling: SAMPLER,
  minibatchSize: 1,
  maxGradNorm: 1e6,
  learningRate: 1,
  adamEpsilon: 1,
  updates: { from: 'round', innerEpochs: 1, samplesPerUpdate: 1, remainder: 'train' },
};

async function train(
  engine: Engine,
  folder: string,
  sampled: Awaited<ReturnType<typeof sample>>,
  prompt: string,
) {
  const pipeline = await openPipeline(engine, folder);
  const trainer = await createTrainer({
    engine,
    pipeline,
    policyGraph: await buildPolicyGraph(engine, pipeline, TRAINER),
    settings: TRAINER,
  });
  const { trajectory } = sampled.branch;
  const samples = [{ groupId: 'g', prompt, advantage: 1.5, stepAdvantages: null, trajectory }];
  const { state } = await trainer.train(
    stageOf(samples, { trainedSteps: TRAINED_STEPS }),
    untrained(sampled.parameters),
  );
  const { provider } = trainer;
  await trainer.release();
  return { provider, change: changeOf(sampled.parameters, state.parameters) };
}

/** All parameters after an update less those before it. */
function changeOf(before: NamedArrays, after: NamedArrays): Float64Array {
  return Float64Array.from(
    Object.entries(after).flatMap(([name, values]) =>
      Array.from(values, (value, index) => value - (before[name]?.[index] ?? 0)),
    ),
  );
}

describeOnSwiftShader('WebGPU on SwiftShader', (startEngine) => {
  let webgpu: Engine;
  let cpu: Engine;
  beforeAll(() => {
    webgpu = listening(startEngine());
    cpu = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
  });
  afterAll(() => Promise.all([webgpu.close(), cpu.close()]));

  it('should say that operators are left to the CPU, and still be right', async () => {
    const model = (build: (g: GraphBuilder) => void) => {
      const g = new GraphBuilder();
      build(g);
      return encodeGraph(g.build());
    };
    const x = float32([1, 2, 4], [1, 3]);
    const whole = await webgpu.compile(
      model((g) => g.output(g.input('x', 'float32', [1, 3]).softmax(), 'y')),
      { label: 'softmax' },
    );
    expect(whole).toMatchObject({ provider: 'webgpu', fallbacks: [] });
    const parted = await webgpu.compile(
      model((g) => g.output(g.input('x', 'float32', [1, 3]).logSoftmax().exp(), 'y')),
      { label: 'log softmax' },
    );
    expect(parted.provider).toBe('webgpu');
    expect(parted.fallbacks).toEqual([
      'provider webgpu does not have every operator of log softmax: some run on the CPU, and tensors cross over',
    ]);
    const [y, again] = [(await whole.run({ x })).y, (await parted.run({ x })).y];
    expect(relativeError(float32Data(again, 'y'), float32Data(y, 'y'))).toBeLessThan(1e-6);
  });

  it('should compute attention in pieces and its gradients as the CPU does, all of it on the device', async () => {
    const graph = writeAttention(withGradients(gatherAttention(attention(SIZES).build(), 60)).build());
    const feeds = Object.fromEntries(
      graph.inputs.map(({ name, shape }, index) => [name, randomTensor(index, shape)]),
    );
    const results: Tensors[] = [];
    for (const engine of [cpu, webgpu]) {
      const executable = await engine.compile(encodeGraph(graph), { label: 'attention' });
      expect(executable.fallbacks).toEqual([]);
      results.push(await executable.run(feeds));
    }
    const [expected, found] = results;
    for (const { name } of graph.outputs)
      expect(
        relativeError(float32Data(found?.[name], name), float32Data(expected?.[name], name)),
        name,
      ).toBeLessThan(1e-5);
  });

  it.each(
    casesOf(
      [['a Stable Diffusion', 'test/fixtures/stable-diffusion/sd1', 'a red cube']],
      [['the first shapes model', 'test/fixtures/first-shapes', 'a red circle and a blue square']],
    ),
  )(
    'should sample and train %s as the CPU does, all of it on the device',
    async (_, folder, prompt) => {
      leftToCpu.length = 0;
      const expected = await sample(cpu, folder, prompt);
      const sampled = await sample(webgpu, folder, prompt);
      expect(sampled.provider).toBe('webgpu');
      // SwiftShader's subgroups are of a size that the provider's attention is not written for.
      for (const fallback of sampled.fallbacks) expect(fallback).toMatch(/^provider webgpu computes fused/);
      const { trajectory, image } = sampled.branch;
      expect(relativeError(trajectory.latents, expected.branch.trajectory.latents)).toBeLessThan(TOLERANCE);
      expect(relativeError(image, expected.branch.image)).toBeLessThan(PICTURE_TOLERANCE);

      const right = await train(cpu, folder, expected, prompt);
      const trained = await train(webgpu, folder, expected, prompt);
      expect(trained.provider).toBe('webgpu');
      expect(leftToCpu).toEqual([]);
      expect(Math.hypot(...right.change)).toBeGreaterThan(0);
      expect(relativeError(trained.change, right.change)).toBeLessThan(GRADIENT_TOLERANCE);
    },
    PATIENCE,
  );
});
