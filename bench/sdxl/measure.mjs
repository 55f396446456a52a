/**
 * @file A rollout of two steps and a LoRA gradient of one step of a UNet of SDXL's size, in a process of its own:
 *
 *     node bench/sdxl/measure.mjs <pipeline folder> [--threads 2] [--runs 1]
 *
 * Sampler and trainer have their sessions open at the same time, as in a run. Prints one line of JSON: seconds of each part
 * by the clock and of all cores together, and the peaks of memory in bytes: resident, anonymous, and mapped from files.
 */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compileGraph } from '../../dist/models/engines/compile-graph.js';
import { createOnnxRuntimeEngine } from '../../dist/models/engines/onnxruntime/engine.js';
import { adapterShapes } from '../../dist/models/graph/weights/lora.js';
import { openDenoiser } from '../../dist/models/pipeline/denoiser.js';
import { openPipeline } from '../../dist/models/pipeline/pipeline.js';
import { buildPolicyGraph } from '../../dist/models/policy/policy-graph.js';
import { createSampler } from '../../dist/models/rollouts/sampler.js';
import { elementCount } from '../../dist/models/tensor.js';
import { feedsOf } from '../feeds.mjs';
import { productFlop } from '../flops.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string', default: '2' }, runs: { type: 'string', default: '1' } },
});
const [folder] = positionals;
const lora = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 4, alpha: 4 };
const sampling = { numInferenceSteps: 2, eta: 1, stochasticSteps: 'all', sde: 'flow-grpo', guidanceScale: 1 };

/** What Linux says of this process, in bytes. */
function memory() {
  const status = readFileSync('/proc/self/status', 'utf8');
  const bytes = (key) => 1024 * Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { resident: bytes('VmHWM'), anonymous: bytes('RssAnon'), files: bytes('RssFile') };
}

const peak = { resident: 0, anonymous: 0, files: 0 };
const look = () => {
  for (const [key, found] of Object.entries(memory())) peak[key] = Math.max(peak[key], found);
};
const looking = setInterval(look, 20);

const seconds = {};
const cpuSeconds = {};
async function timed(part, act) {
  const [startedAt, before] = [performance.now(), process.cpuUsage()];
  const result = await act();
  const { user, system } = process.cpuUsage(before);
  seconds[part] = [...(seconds[part] ?? []), (performance.now() - startedAt) / 1000];
  cpuSeconds[part] = [...(cpuSeconds[part] ?? []), (user + system) / 1e6];
  look();
  // On a busy machine a run takes long.
  console.error(part, seconds[part].at(-1), memory());
  return result;
}

const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: Number(values.threads) });
const { pipeline, denoiser, training, flop } = await timed('opening', async () => {
  const pipeline = await openPipeline(engine, folder);
  const denoiser = await openDenoiser(engine, pipeline, { lora, rows: [1] });
  const { graph } = await buildPolicyGraph(engine, pipeline, {
    lora,
    guidanceScale: 1,
    minibatchSize: 1,
    surrogate: { type: 'ddpo-is', clipRange: 1e-4, advClipMax: 5 },
    measureKl: false,
    gradientCheckpointing: 'blocks',
    precision: 'float32',
  });
  const training = await compileGraph(engine, graph, { label: 'training graph' });
  await training.hold(feedsOf(graph));
  return { pipeline, denoiser, training, flop: productFlop(graph) };
});
const parameters = denoiser.adapters.flatMap((adapter) => {
  const { a, b } = adapterShapes(adapter, lora.rank);
  return [
    [adapter.inputA, new Float32Array(elementCount(a)).fill(0.01)],
    [adapter.inputB, new Float32Array(elementCount(b)).fill(0.01)],
  ];
});
await denoiser.usePolicy(Object.fromEntries(parameters));
const sampler = createSampler(pipeline, denoiser, {
  ...sampling,
  seed: 1,
  forkPlan: 'interval',
  forkSteps: [],
  numBranches: 1,
  groupsPerBatch: 1,
  latentsDtype: 'float32',
  noiseFor: 'training',
});
for (let run = 0; run < Number(values.runs); run++) {
  await timed('rollout', () => sampler.rollout([{ groupIndex: run, prompt: 'a red cat' }], [0]));
  await timed('gradient', () => training.run({}));
}
clearInterval(looking);
await engine.close();
console.log(JSON.stringify({ seconds, cpuSeconds, flop, peak }));
