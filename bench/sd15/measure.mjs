/**
 * @file One figure of a UNet of Stable Diffusion 1.5's size, in a process of its own, so that the peak of memory is its own:
 *
 *     node bench/sd15/measure.mjs <pipeline folder> --what forward | training | training-blocks [--threads 2] [--runs 5]
 *
 * Prints one line of JSON: seconds of every run but the first, floating-point operations of one, peak memory in bytes.
 */

import { parseArgs } from 'node:util';
import { createOnnxRuntimeEngine } from '../../dist/models/engines/onnxruntime/engine.js';
import { openDenoiserGraph } from '../../dist/models/networks/open-denoiser-graph.js';
import { openDenoiser } from '../../dist/models/pipeline/denoiser.js';
import { openPipeline } from '../../dist/models/pipeline/pipeline.js';
import { initialParameters } from '../../dist/models/policy/adapter-parameters.js';
import { elementCount } from '../../dist/models/tensor.js';
import { productFlop } from '../flops.mjs';
import { LORA, openLoraTraining } from '../lora-training.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    what: { type: 'string', default: 'forward' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '5' },
  },
});
const [folder] = positionals;
const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: Number(values.threads) });
const pipeline = await openPipeline(engine, folder);

/** One prediction of the sampler, for one picture without guidance. */
async function forward() {
  const denoiser = await openDenoiser(engine, pipeline, { lora: LORA, rows: [1] });
  await denoiser.usePolicy(initialParameters(denoiser.adapters, LORA, 1));
  const numbers = (shape) =>
    Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i * 12.9898));
  const [latents, embeds] = [numbers(pipeline.latentShape), numbers(pipeline.embedsShape)];
  const flop = productFlop(await openDenoiserGraph(engine, pipeline, 1));
  return { flop, run: () => denoiser.predict(latents, 500, embeds) };
}

const kinds = {
  forward,
  training: () => openLoraTraining(engine, pipeline, 'off'),
  'training-blocks': () => openLoraTraining(engine, pipeline, 'blocks'),
};
const { flop, run } = await kinds[values.what]();
const seconds = [];
for (let index = 0; index <= Number(values.runs); index++) {
  const startedAt = performance.now();
  await run();
  if (index > 0) seconds.push((performance.now() - startedAt) / 1000);
}
await engine.close();
console.log(JSON.stringify({ seconds, flop, peakBytes: process.resourceUsage().maxRSS * 1024 }));
