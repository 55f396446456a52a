/** @file Loss and LoRA gradients of one row of a large UNet, and the adapter's settings, for the benchmarks of such models. */

import { compileGraph } from '../dist/models/engines/compile-graph.js';
import { buildPolicyGraph } from '../dist/models/policy/policy-graph.js';
import { feedsOf } from './feeds.mjs';
import { productFlop } from './flops.mjs';

/** On all attention, as the presets for Stable Diffusion have it. */
export const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 4, alpha: 4 };

/** UNet with adapter, surrogate, and all the way back; without guidance. `run` computes it once. */
export async function openLoraTraining(engine, pipeline, gradientCheckpointing) {
  const { graph } = await buildPolicyGraph(engine, pipeline, {
    lora: LORA,
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
