// The gradient of any ONNX file: how the embedding of a picture changes with its pixels.
//
//     node examples/onnx-gradient.js
//
// Prints one slope twice: as the gradient says, and as two runs of the model measure it. They agree.

import { fileURLToPath } from 'node:url';
import { float32, float32Data, openAutodiff } from 'tributary-rl/autodiff';

const file = fileURLToPath(new URL('../models/shapes/reward/vision_model.onnx', import.meta.url));
const shape = [1, 3, 16, 16];
const picture = Float32Array.from({ length: 768 }, (_, pixel) => Math.sin(pixel));
const direction = picture.map((_, pixel) => Math.cos(pixel));

const autodiff = openAutodiff();
const model = await autodiff.load(file, { pixel_values: shape });
const withGradient = model.addGradients({
  loss: (graph) =>
    graph
      .value('image_embeds')
      .slice({ starts: [0], ends: [64], axes: [1] })
      .sumAll(),
  of: ['pixel_values'],
});
const program = await withGradient.compile();

/** @param {number} step */
const runAt = (step) =>
  program.run({
    pixel_values: float32(
      picture.map((value, pixel) => value + step * direction[pixel]),
      shape,
    ),
  });

const gradient = float32Data((await runAt(0))['gradient:pixel_values'], 'gradient');
const derived = gradient.reduce((sum, value, pixel) => sum + value * direction[pixel], 0);
const [above] = float32Data((await runAt(0.01)).loss, 'loss');
const [below] = float32Data((await runAt(-0.01)).loss, 'loss');
console.log(`derived ${derived.toFixed(4)}, measured ${((above - below) / 0.02).toFixed(4)}`);

await program.release();
await autodiff.close();
