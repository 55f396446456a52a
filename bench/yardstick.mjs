/**
 * @file What the machine's cores can do at most: the product of two square matrices by whichever library and form is fastest.
 * The right side is a constant, as weights are, so that onnxruntime arranges it for its cores once.
 */

import { createOnnxRuntimeEngine } from '../dist/models/engines/onnxruntime/engine.js';
import { encodeGraph } from '../dist/models/graph/onnx/encode.js';
import { GraphBuilder } from '../dist/models/graph/ops/builder.js';
import { elementCount, float32 } from '../dist/models/tensor.js';
import { feedsOf } from './feeds.mjs';
import { runPython } from './processes.mjs';
import { timesOf } from './timing.mjs';

const SIZE = 2048;
const FLOP = 2 * SIZE ** 3;
const RUNS = 8;

/** The product, of which one row comes back: the rest is no part of it. */
function product() {
  const g = new GraphBuilder();
  const shape = [SIZE, SIZE];
  const weights = Float32Array.from({ length: elementCount(shape) }, (_, index) => Math.sin(index * 78.233));
  const whole = g.input('a', 'float32', shape).matMul(g.initializer('b', float32(weights, shape)));
  g.output(whole.slice({ starts: [0], ends: [1], axes: [0] }), 'row');
  return g.build();
}

/** Times one product on every session at once. */
async function onnxRuntimeTimes(threads, sessionThreads) {
  const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads, sessionThreads });
  try {
    const graph = product();
    const executable = await engine.compile(encodeGraph(graph), { label: 'matrix product' });
    await executable.hold(feedsOf(graph));
    const sessions = Array.from({ length: threads / sessionThreads });
    const run = () => Promise.all(sessions.map(() => executable.run({})));
    const { times } = await timesOf([{ name: 'times', run }], RUNS);
    return { ...times, products: sessions.length };
  } finally {
    await engine.close();
  }
}

/**
 * Collects products of several moments, as a neighbor on the machine only ever makes one slower.
 * @param python - with torch; without it, PyTorch's product is left out.
 */
export function createYardstick(threads, python) {
  const rates = new Map();
  const note = (name, { seconds, cpuSeconds, products }) => {
    const rateOf = (times) => (products * FLOP) / Math.min(...times);
    const { wall, cpu } = rates.get(name) ?? { wall: 0, cpu: 0 };
    rates.set(name, { wall: Math.max(wall, rateOf(seconds)), cpu: Math.max(cpu, rateOf(cpuSeconds)) });
  };
  const best = (kind) => Math.max(...[...rates.values()].map((rate) => rate[kind]));
  return {
    async measure() {
      note('onnxruntime, one session on all threads', await onnxRuntimeTimes(threads, threads));
      if (threads > 1) note('onnxruntime, a session for every thread', await onnxRuntimeTimes(threads, 1));
      if (python === undefined) return;
      const args = ['--size', SIZE, '--threads', threads, '--runs', RUNS];
      const times = await runPython(python, 'tools/reference/matrix_product_speed.py', args);
      note(`PyTorch ${times.torch}`, { ...times, products: 1 });
    },
    /** Operations a second of the best product. */
    best: () => best('wall'),
    /** The same for a second of one core, whatever else the machine did. */
    bestOfCore: () => best('cpu'),
    toString: () =>
      [...rates].map(([name, { wall }]) => `${name} ${(wall / 1e9).toFixed(0)}`).join(', ') +
      ` GFLOP/s at best`,
  };
}
