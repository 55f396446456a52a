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
import { createOnnxRuntimeEngine } from '../../dist/models/engines/onnxruntime/engine.js';
import { openDenoiser } from '../../dist/models/pipeline/denoiser.js';
import { openPipeline } from '../../dist/models/pipeline/pipeline.js';
import { initialParameters } from '../../dist/models/policy/adapter-parameters.js';
import { createSampler } from '../../dist/models/rollouts/sampler.js';
import { LORA, openLoraTraining } from '../lora-training.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string', default: '2' }, runs: { type: 'string', default: '1' } },
});
const [folder] = positionals;
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
const { pipeline, denoiser, training } = await timed('opening', async () => {
  const pipeline = await openPipeline(engine, folder);
  const denoiser = await openDenoiser(engine, pipeline, { lora: LORA, rows: [1] });
  return { pipeline, denoiser, training: await openLoraTraining(engine, pipeline, 'blocks') };
});
await denoiser.usePolicy(initialParameters(denoiser.adapters, LORA, 1));
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
  await timed('gradient', () => training.run());
}
clearInterval(looking);
await engine.close();
console.log(JSON.stringify({ seconds, cpuSeconds, flop: training.flop, peak }));
