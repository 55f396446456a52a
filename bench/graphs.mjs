/**
 * @file Times of the shapes model's graphs, in a process of its own, as a run computes them: in chunks on the engine's shards,
 * while the engines of sampler, trainer and reward are open.
 *
 *     node bench/graphs.mjs <config> [--pipeline <folder>] [--rows 64] [--chunk 16] [--threads 2] [--runs 15]
 *
 * Prints one line of JSON: times of every run but the first, and the floating-point operations of one.
 */

import { parseArgs } from 'node:util';
import { openEngine } from '../dist/models/engines/open-engine.js';
import { fuseForInference } from '../dist/models/graph/passes/fuse.js';
import { openDenoiserGraph } from '../dist/models/networks/open-denoiser-graph.js';
import { openDenoiser } from '../dist/models/pipeline/denoiser.js';
import { openPipeline } from '../dist/models/pipeline/pipeline.js';
import { initialParameters } from '../dist/models/policy/adapter-parameters.js';
import { buildPolicyGraph } from '../dist/models/policy/policy-graph.js';
import { openTrainingRuns } from '../dist/models/policy/training-runs.js';
import { createTrainingStatistics } from '../dist/models/policy/training-statistics.js';
import { elementCount } from '../dist/models/tensor.js';
import { loadTopology } from '../dist/streams/config/load-topology.js';
import { scoringStages } from '../dist/streams/config/resolved/reward-parts.js';
import { startReward } from '../dist/streams/stages/reward/client.js';
import { engineOf } from '../dist/streams/stages/shared/open-thread.js';
import { productFlop } from './flops.mjs';
import { timesOf } from './timing.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pipeline: { type: 'string' },
    rows: { type: 'string', default: '64' },
    chunk: { type: 'string', default: '16' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '15' },
  },
});
const [rows, minibatchSize] = [Number(values.rows), Number(values.chunk)];
const config = await loadTopology(positionals[0], [
  `engine.threads=${values.threads}`,
  ...(values.pipeline ? [`model.pipeline=${values.pipeline}`] : []),
]);
const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 4, alpha: 4 };
const PROMPT = 'a red circle above a blue square';
const settings = {
  lora: LORA,
  guidanceScale: 1,
  minibatchSize,
  surrogate: { type: 'ddpo-is', clipRange: 1e-4, advClipMax: 5 },
  measureKl: false,
  gradientCheckpointing: 'off',
  precision: 'float32',
};

const numbers = (count, from = 0) =>
  Float32Array.from({ length: count }, (_, index) => Math.sin((from + index) * 12.9898));

/** One prediction of the sampler. */
async function sampling(engine) {
  const pipeline = await openPipeline(engine, config.model.pipeline);
  const denoiser = await openDenoiser(engine, pipeline, { lora: LORA, rows: [rows] });
  await denoiser.usePolicy(initialParameters(denoiser.adapters, LORA, 1));
  const latents = numbers(rows * elementCount(pipeline.latentShape));
  const embeds = numbers(rows * elementCount(pipeline.embedsShape));
  const flop = productFlop(fuseForInference(await openDenoiserGraph(engine, pipeline, rows)));
  return { flop, run: () => denoiser.predict(latents, 500, embeds) };
}

/** Loss and gradients of one update of the trainer, summed over its runs. */
async function training(engine) {
  const pipeline = await openPipeline(engine, config.model.pipeline);
  const policyGraph = await buildPolicyGraph(engine, pipeline, settings);
  const runs = await openTrainingRuns(engine, pipeline, policyGraph, settings);
  const parameters = initialParameters(policyGraph.adapters, LORA, 1);
  const units = Array.from({ length: rows }, (_, row) => [
    trainingRow(row, elementCount(pipeline.latentShape)),
  ]);
  const { clipRange } = settings.surrogate;
  return {
    flop: Math.ceil(rows / minibatchSize) * productFlop(policyGraph.graph),
    run: () =>
      runs.sumGradients(
        units,
        { parameters, old: parameters, scale: 1 },
        createTrainingStatistics(clipRange, 1),
      ),
  };
}

function trainingRow(row, size) {
  const [sample, nextLatents] = [numbers(size, row * size), numbers(size, (row + 1) * size)];
  return {
    prompt: PROMPT,
    step: 0,
    timestep: 500,
    weight: 1 / rows,
    advantage: row % 2 === 0 ? 1 : -1,
    scalars: { sampleCoefficient: 1, outputCoefficient: -0.1, stdDevT: 0.3, oldLogProb: 0 },
    latents: () => ({ sample, nextLatents }),
  };
}

const [source] = scoringStages(config);
const reward = await startReward(config, source, null, () => undefined);
const picture = new Float32Array(elementCount(reward.imageShape));
await reward.call.score({ prompt: PROMPT, images: [picture] });
const engines = ['sampler', 'trainer'].map((stage) => openEngine(engineOf(config, stage)));
const graphs = { sampling: await sampling(engines[0]), training: await training(engines[1]) };
const runs = Object.entries(graphs).map(([name, { run }]) => ({ name, run }));
const times = await timesOf(runs, Number(values.runs));
for (const part of [...engines, reward]) await part.close();
const figures = Object.entries(graphs).map(([name, { flop }]) => [name, { flop, ...times[name] }]);
console.log(JSON.stringify(Object.fromEntries(figures)));
