/**
 * @file Memory over many policies: optimizer steps on one batch of rollouts, each followed by a rollout with the new policy,
 * in one process that compiles each graph once:
 *
 *     node bench/sd15/updates.mjs [pipeline folder] [--updates 1000] [--size <pixels>] [--steps 4]
 *
 * With --size the folder is one of Stable Diffusion 1.5's size and random weights, for pictures of so many pixels, made in
 * .cache/sd15. Half of the sampler's steps are trained.
 *
 * Prints a line of JSON after every twentieth part: updates, sessions opened, seconds, megabytes resident.
 */

import { parseArgs } from 'node:util';
import { createOnnxRuntimeEngine } from '../../dist/models/engines/onnxruntime/engine.js';
import { initialAdamWState } from '../../dist/models/optimizers/adamw.js';
import { openDenoiser } from '../../dist/models/pipeline/denoiser.js';
import { openPipeline } from '../../dist/models/pipeline/pipeline.js';
import { initialParameters } from '../../dist/models/policy/adapter-parameters.js';
import { buildPolicyGraph } from '../../dist/models/policy/policy-graph.js';
import { createTrainer } from '../../dist/models/policy/trainer.js';
import { createSampler } from '../../dist/models/rollouts/sampler.js';
import { LORA } from '../lora-training.mjs';
import { randomFolder } from './random-folder.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    updates: { type: 'string', default: '1000' },
    threads: { type: 'string', default: '2' },
    size: { type: 'string' },
    steps: { type: 'string', default: '4' },
  },
});
const updates = Number(values.updates);
const numInferenceSteps = Number(values.steps);
const folder = values.size
  ? await randomFolder('.cache/sd15', Number(values.size))
  : (positionals[0] ?? 'test/fixtures/stable-diffusion/sd1');
const sampling = { numInferenceSteps, eta: 1, stochasticSteps: 'all', sde: 'flow-grpo', guidanceScale: 1 };
const trainedSteps = Array.from({ length: numInferenceSteps }, (_, step) => step).slice(
  Math.floor(numInferenceSteps / 2),
);

let sessions = 0;
const runtime = createOnnxRuntimeEngine({ providers: ['cpu'], threads: Number(values.threads) });
const engine = {
  ...runtime,
  compile(...request) {
    sessions += 1;
    return runtime.compile(...request);
  },
};
const pipeline = await openPipeline(engine, folder);
const denoiser = await openDenoiser(engine, pipeline, { lora: LORA, rows: [1, 2] });
const sampler = createSampler(pipeline, denoiser, {
  ...sampling,
  seed: 1,
  forkPlan: 'interval',
  forkSteps: [],
  numBranches: 2,
  groupsPerBatch: 1,
  latentsDtype: 'float32',
  noiseFor: 'training',
});
const settings = {
  ...sampling,
  seed: 1,
  lora: LORA,
  surrogate: { type: 'ddpo-is', clipRange: 0.5, advClipMax: 5 },
  measureKl: false,
  updates: { from: 'round', innerEpochs: 1, samplesPerUpdate: 2, remainder: 'train' },
  minibatchSize: 1,
  gradientCheckpointing: 'off',
  precision: 'float32',
  lossScale: { initial: 65536, growthInterval: 2000 },
  maxGradNorm: 1,
  stepWeighting: 'none',
  sampling,
  learningRate: 1e-6,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  weightDecay: 0,
  learningRateSchedule: 'constant',
  loraPlusRatio: 1,
  samplingPolicyDecay: 0,
  plannedRounds: updates,
};
const trainer = await createTrainer({
  engine,
  pipeline,
  policyGraph: await buildPolicyGraph(engine, pipeline, settings),
  settings,
});
const parameters = initialParameters(denoiser.adapters, LORA, 1);
let state = {
  parameters,
  samplingParameters: parameters,
  optimizer: initialAdamWState(parameters),
  replay: [],
};
const secondsSince = (start) => Math.round((performance.now() - start) / 1000);
const residentMb = () => Math.round(process.memoryUsage.rss() / 1e6);
const startedAt = performance.now();
for (let update = 0; update < updates; update++) {
  await denoiser.usePolicy(state.parameters);
  const [{ branches }] = await sampler.rollout([{ groupIndex: update, prompt: 'a red cat' }], trainedSteps);
  const samples = branches.map(({ trajectory }, leaf) => ({
    groupId: `group-${update}`,
    prompt: 'a red cat',
    advantage: leaf === 0 ? 1 : -1,
    stepAdvantages: null,
    trajectory,
  }));
  const round = { samples, trainedSteps, round: update, learningRateScale: 1 };
  state = (await trainer.train(round, state)).state;
  const done = update + 1;
  if (done % Math.ceil(updates / 20) === 0 || done === updates)
    console.log(
      JSON.stringify({ updates: done, sessions, seconds: secondsSince(startedAt), residentMb: residentMb() }),
    );
}
await engine.close();
