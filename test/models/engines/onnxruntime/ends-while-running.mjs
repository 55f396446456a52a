/** @file A program that ends while a canceled run is still in native code; its argument says how it ends. */

import { createOnnxRuntimeEngine } from '../../../../dist/models/engines/onnxruntime/engine.js';
import { encodeGraph } from '../../../../dist/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../../dist/models/graph/ops/builder.js';
import { float32 } from '../../../../dist/models/tensor.js';

const SIZE = 320;

function products(count) {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [SIZE, SIZE]);
  let y = x;
  for (let i = 0; i < count; i++) y = y.matMul(x);
  g.output(y.meanAll(), 'mean');
  return encodeGraph(g.build());
}

const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
const quick = await engine.compile(products(1), { label: 'quick' });
const slow = await engine.compile(products(60), { label: 'slow' });
const feeds = { x: float32(new Float32Array(SIZE * SIZE), [SIZE, SIZE]) };
const controller = new AbortController();
const first = quick.run(feeds);
const second = slow.run(feeds, { signal: controller.signal }).catch((error) => console.log(error.code));
await first;
// Lets the thread go on into native code, from where it says nothing. Were it not there yet, less would be tested.
await new Promise((resolve) => setTimeout(resolve, 20));
controller.abort();
await second;
if (process.argv[2] === 'close') {
  await engine.close();
  console.log('closed');
}
