/**
 * @file `node bench/engines.mjs`: one sampling graph and one training graph of the shapes model on every engine and backend
 * that is installed, in turn inside one run.
 */

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { compileGraph } from '../dist/models/engines/compile-graph.js';
import { TFJS_BACKENDS } from '../dist/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../dist/models/engines/onnxruntime/engine.js';
import { createTfjsEngine } from '../dist/models/engines/tfjs/engine.js';
import { fuseForInference } from '../dist/models/graph/passes/fuse.js';
import { addLora } from '../dist/models/graph/weights/lora.js';
import { openDenoiserGraph } from '../dist/models/networks/open-denoiser-graph.js';
import { openPipeline } from '../dist/models/pipeline/pipeline.js';
import { buildPolicyGraph } from '../dist/models/policy/policy-graph.js';
import { feedsOf } from './feeds.mjs';
import { medianSeconds } from './timing.mjs';

const { values } = parseArgs({
  options: {
    pipeline: { type: 'string', default: 'test/fixtures/first-shapes' },
    rows: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
    repetitions: { type: 'string', default: '5' },
  },
});
const [rows, threads] = [Number(values.rows), Number(values.threads)];
const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 4, alpha: 4 };

const tfjs = (backend, gradients) => ({
  name: `tfjs ${backend}${gradients === 'graph' ? ', backward graph' : ''}`,
  engine: createTfjsEngine({ backends: [backend], threads, gradients }),
});
const candidates = [
  { name: 'onnxruntime cpu', engine: createOnnxRuntimeEngine({ providers: ['cpu'], threads }) },
  ...TFJS_BACKENDS.flatMap((backend) => [tfjs(backend, 'tape'), tfjs(backend, 'graph')]),
];

/** The two graphs on an engine, ready to be run; none where the backend is not there. */
async function runsOn({ name, engine }, pipeline) {
  const source = await openDenoiserGraph(engine, pipeline, rows);
  const sampling = fuseForInference(addLora(source, { ...LORA, form: 'folded' }, name).graph);
  const { graph: training, gradients } = await buildPolicyGraph(engine, pipeline, {
    lora: LORA,
    guidanceScale: 1,
    minibatchSize: rows,
    surrogate: { type: 'ddpo-is', clipRange: 1e-4, advClipMax: 5 },
    measureKl: false,
  });
  const runs = [];
  for (const [work, graph, request] of [
    ['sampling', sampling, undefined],
    ['training', training, gradients],
  ]) {
    const executable = await compileGraph(engine, graph, { label: work, gradients: request });
    await executable.hold(feedsOf(graph));
    runs.push({ name: `${name}: ${work}`, run: () => executable.run({}) });
  }
  return runs;
}

const first = candidates[0].engine;
const pipeline = await openPipeline(first, values.pipeline);
const runs = [];
const installed = [];
for (const candidate of candidates) {
  try {
    runs.push(...(await runsOn(candidate, pipeline)));
    installed.push(candidate.name);
  } catch (error) {
    if (error.code !== 'TRIB_PROVIDER') throw error;
    console.error(error.message);
  }
}
const seconds = await medianSeconds(runs, Number(values.repetitions));
const reference = (work) => seconds[`onnxruntime cpu: ${work}`];
console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, ${threads} threads, Node ${process.version}, ${rows} rows`,
);
console.table(
  installed.map((name) => {
    const figures = (work) => {
      const taken = seconds[`${name}: ${work}`];
      return `${(1000 * taken).toFixed(0)} ms (${(taken / reference(work)).toFixed(1)})`;
    };
    return { engine: name, sampling: figures('sampling'), training: figures('training') };
  }),
);
for (const { engine } of candidates) await engine.close();
