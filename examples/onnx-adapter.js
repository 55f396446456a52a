// Trains a LoRA adapter on an ONNX file: a text encoder learns to embed some prompts as it embeds others.
//
//     node examples/onnx-adapter.js
//
// Prints a loss that falls with every step of plain gradient descent. The weights of the model stay as they are.

import { fileURLToPath } from 'node:url';
import { float32, float32Data, int64, openAutodiff } from 'tributary-rl/autodiff';

const file = fileURLToPath(new URL('../models/shapes/reward/text_model.onnx', import.meta.url));
const [rows, tokens] = [4, 12];
const wordsFrom = (/** @type {number} */ first) =>
  int64(
    Array.from({ length: rows * tokens }, (_, place) => first + (place % 5)),
    [rows, tokens],
  );

const autodiff = openAutodiff();
const model = await autodiff.load(file, { input_ids: [rows, tokens] });
const frozen = await model.compile();
const { text_embeds: target } = await frozen.run({ input_ids: wordsFrom(8) });

const adapted = model.addLora({ pattern: 'MatMul|Gemm', rank: 2 });
const training = adapted.addGradients({
  loss: (graph) =>
    graph
      .value('text_embeds')
      .sub(graph.input('target', 'float32', [rows, 128]))
      .pow(2)
      .meanAll(),
});
const program = await training.compile();

let parameters = adapted.parameters;
for (let step = 0; step < 5; step++) {
  const outputs = await program.run({ ...parameters, input_ids: wordsFrom(3), target });
  console.log(`step ${step}: loss ${float32Data(outputs.loss, 'loss')[0].toFixed(6)}`);
  const moved = Object.entries(parameters).map(([name, { shape }]) => {
    const gradient = float32Data(outputs[`gradient:${name}`], name);
    const values = float32Data(parameters[name], name).map((value, index) => value - 20 * gradient[index]);
    return [name, float32(values, shape)];
  });
  parameters = Object.fromEntries(moved);
}

await Promise.all([frozen.release(), program.release()]);
await autodiff.close();
