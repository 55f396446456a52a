/** @file Speed of the graphs of the shapes model, as ratios inside one run: machines are noisy, neighbors in time less so. */

import { createOnnxRuntimeEngine } from '../dist/models/engines/onnxruntime/engine.js';
import { encodeGraph } from '../dist/models/graph/onnx/encode.js';
import { fuseForInference } from '../dist/models/graph/passes/fuse.js';
import { lowerForTraining } from '../dist/models/graph/passes/lower.js';
import { addLora } from '../dist/models/graph/weights/lora.js';
import { openDenoiserGraph } from '../dist/models/networks/open-denoiser-graph.js';
import { openPipeline } from '../dist/models/pipeline/pipeline.js';
import { buildPolicyGraph } from '../dist/models/policy/policy-graph.js';
import { feedsOf } from './feeds.mjs';
import { productFlop } from './flops.mjs';
import { matrixProduct } from './matrix-product.mjs';
import { medianSeconds } from './timing.mjs';

const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 4, alpha: 4 };

/**
 * Times, all in one process and in turn: the machine's matrix product; the forward pass in differentiable form and in fused
 * form; the forward pass with gradients of the adapter.
 */
export async function benchGraphs({ pipeline: path, rows, threads, repetitions }) {
  const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads });
  try {
    const pipeline = await openPipeline(engine, path);
    const source = await openDenoiserGraph(engine, pipeline, rows);
    const graphs = {
      matrixProduct: matrixProduct(),
      differentiable: lowerForTraining(addLora(source, { ...LORA, form: 'beside' }, path).graph),
      fused: fuseForInference(addLora(source, { ...LORA, form: 'folded' }, path).graph),
      training: (
        await buildPolicyGraph(engine, pipeline, {
          lora: LORA,
          guidanceScale: 1,
          minibatchSize: rows,
          surrogate: { type: 'ddpo-is', clipRange: 1e-4, advClipMax: 5 },
          measureKl: false,
          gradientCheckpointing: 'off',
        })
      ).graph,
    };
    const runs = [];
    for (const [name, graph] of Object.entries(graphs)) {
      const executable = await engine.compile(encodeGraph(graph), { label: name });
      const feeds = feedsOf(graph);
      await executable.hold(feeds);
      runs.push({ name, run: () => executable.run({}) });
    }
    // The form that is differentiated, run as it is: no fusion by the runtime, as in a training graph, whose backward pass reads the intermediates.
    const asDifferentiated = await engine.compile(encodeGraph(graphs.differentiable), {
      label: 'unfused',
      optimization: 'basic',
    });
    const feeds = feedsOf(graphs.differentiable);
    await asDifferentiated.hold(feeds);
    runs.push({ name: 'unfused', run: () => asDifferentiated.run({}) });
    const seconds = await medianSeconds(runs, repetitions);
    const flop = {
      matrixProduct: productFlop(graphs.matrixProduct),
      fused: productFlop(graphs.differentiable),
      training: productFlop(graphs.training),
    };
    return { seconds, flop };
  } finally {
    await engine.close();
  }
}
