/**
 * @file One figure of a UNet of Stable Diffusion 1.5's size, in a process of its own, so that the peak of memory is its own:
 *
 *     node bench/sd15/measure.mjs <pipeline folder> --what forward | training | training-blocks [--threads 2] [--runs 5]
 *
 * Prints one line of JSON: seconds of every run but the first, floating-point operations of one, peak memory in bytes.
 */

import { parseArgs } from 'node:util';
import { compileGraph } from '../../dist/models/engines/compile-graph.js';
import { createOnnxRuntimeEngine } from '../../dist/models/engines/onnxruntime/engine.js';
import { adapterShapes } from '../../dist/models/graph/weights/lora.js';
import { openDenoiserGraph } from '../../dist/models/networks/open-denoiser-graph.js';
import { openDenoiser } from '../../dist/models/pipeline/denoiser.js';
import { openPipeline } from '../../dist/models/pipeline/pipeline.js';
import { buildPolicyGraph } from '../../dist/models/policy/policy-graph.js';
import { elementCount } from '../../dist/models/tensor.js';
import { feedsOf } from '../feeds.mjs';
import { productFlop } from '../flops.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    what: { type: 'string', default: 'forward' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '5' },
  },
});
const [folder] = positionals;
const lora = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 4, alpha: 4 };
const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: Number(values.threads) });
const pipeline = await openPipeline(engine, folder);

/** One prediction of the sampler, for one picture without guidance. */
async function forward() {
  const denoiser = await openDenoiser(engine, pipeline, { lora, rows: [1] });
  const parameters = denoiser.adapters.flatMap((adapter) => {
    const { a, b } = adapterShapes(adapter, lora.rank);
    return [
      [adapter.inputA, new Float32Array(elementCount(a)).fill(0.01)],
      [adapter.inputB, new Float32Array(elementCount(b)).fill(0.01)],
    ];
  });
  await denoiser.usePolicy(Object.fromEntries(parameters));
  const numbers = (shape) =>
    Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i * 12.9898));
  const [latents, embeds] = [numbers(pipeline.latentShape), numbers(pipeline.embedsShape)];
  const flop = productFlop(await openDenoiserGraph(engine, pipeline, 1));
  return { flop, run: () => denoiser.predict(latents, 500, embeds) };
}

/** Loss and gradients of one row: UNet with adapter, surrogate, and all the way back. */
async function training(gradientCheckpointing) {
  const { graph } = await buildPolicyGraph(engine, pipeline, {
    lora,
    guidanceScale: 1,
    minibatchSize: 1,
    surrogate: { type: 'ddpo-is', clipRange: 1e-4, advClipMax: 5 },
    measureKl: false,
    gradientCheckpointing,
    precision: 'float32',
  });
  const executable = await compileGraph(engine, graph, { label: 'training graph' });
  await executable.hold(feedsOf(graph));
  return { flop: productFlop(graph), run: () => executable.run({}) };
}

const kinds = {
  forward,
  training: () => training('off'),
  'training-blocks': () => training('blocks'),
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
