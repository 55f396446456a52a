import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Autodiff,
  float32,
  type Model,
  openAutodiff,
  type Tensor,
} from '../../src/library/autodiff/index.js';
import { encodeGraph } from '../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../src/models/graph/ops/builder.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

/** y = tanh(x W + b), x of [2, 2]. */
function layer(): Uint8Array {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 2]);
  const w = g.initializer('w', float32([1, -1, 2, 0.5], [2, 2]));
  const product = g.scoped('fc', () => x.matMul(w, { name: '/fc/MatMul' }));
  g.output(product.add(g.initializer('b', float32([0.5, 0], [2]))).tanh(), 'y');
  return encodeGraph(g.build(), { symbolicAxes: { x: ['batch'], y: ['batch'] } });
}

const X = float32([0.25, -0.5, 1, 0], [2, 2]);
const listOf = (tensor: Tensor | undefined) => Array.from(tensor?.data ?? [], Number);

let autodiff: Autodiff;
let model: Model;
beforeAll(async () => {
  autodiff = openAutodiff();
  model = await autodiff.load(layer(), { x: [2, 2] });
});
afterAll(() => autodiff.close());

/** The slope of the loss by one number of an input. */
async function slope(graph: Model, feeds: Readonly<Record<string, Tensor>>, name: string, index: number) {
  const program = await graph.compile();
  const lossAt = async (step: number) => {
    const { shape, data } = feeds[name] as Tensor;
    const moved = Float32Array.from(data as Float32Array);
    moved[index] = Number(moved[index]) + step;
    return listOf((await program.run({ ...feeds, [name]: float32(moved, shape) })).loss)[0] as number;
  };
  const measured = ((await lossAt(5e-3)) - (await lossAt(-5e-3))) / 1e-2;
  const outputs = await program.run(feeds);
  await program.release();
  return { measured, derived: listOf(outputs[`gradient:${name}`])[index] };
}

describe('Model', () => {
  it('should load a file with the sizes given for its open axes', async () => {
    const path = join(await temporaryFolder(), 'layer.onnx');
    await writeFile(path, layer());
    const loaded = await autodiff.load(path, { x: [3, 2] });
    expect(loaded.inputs).toEqual([{ name: 'x', type: 'float32', shape: [3, 2] }]);
    expect(loaded.outputs).toEqual([{ name: 'y', type: 'float32', shape: [3, 2] }]);
    expect(loaded.weights.map(({ name }) => name)).toEqual(['w', 'b']);
  });

  it('should give the gradient of an output by an input and by weights, and keep the outputs', async () => {
    const graph = model
      .freeWeights(/^[wb]$/)
      .addGradients({ loss: (g) => g.value('y').pow(2).meanAll(), of: ['x', 'w', 'b'] });
    expect(graph.outputs.map(({ name }) => name)).toEqual([
      'y',
      'loss',
      'gradient:x',
      'gradient:w',
      'gradient:b',
    ]);
    for (const [name, index] of [
      ['x', 1],
      ['w', 2],
      ['b', 0],
    ] as const) {
      const { measured, derived } = await slope(graph, { ...graph.parameters, x: X }, name, index);
      expect(derived).not.toBe(0);
      expect(derived).toBeCloseTo(measured, 3);
    }
    // The model itself is as it was.
    expect(model.inputs.map(({ name }) => name)).toEqual(['x']);
  });

  it('should start an adapter as the model itself, and give its gradients by default', async () => {
    const adapted = model.addLora({ pattern: 'fc', rank: 1, alpha: 2 });
    const names = ['fc.lora_A', 'fc.lora_B'];
    expect(Object.keys(adapted.parameters)).toEqual(names);
    const graph = adapted.addGradients({ loss: (g) => g.value('y').sumAll() });
    const [plain, trained] = [await model.compile(), await graph.compile()];
    const { y } = await plain.run({ x: X });
    expect(listOf((await trained.run({ ...adapted.parameters, x: X })).y)).toEqual(listOf(y));
    await Promise.all([plain.release(), trained.release()]);
    const parameters = { 'fc.lora_A': float32([0.5, -1], [2, 1]), 'fc.lora_B': float32([1, 0.5], [1, 2]) };
    for (const name of names) {
      const { measured, derived } = await slope(graph, { ...parameters, x: X }, name, 1);
      expect(derived).not.toBe(0);
      expect(derived).toBeCloseTo(measured, 3);
    }
    const other = model.addLora({ pattern: 'fc', rank: 1, seed: 1 });
    expect(other.parameters['fc.lora_A']).not.toEqual(adapted.parameters['fc.lora_A']);
  });

  it('should be an ONNX model for any runtime, with its gradients', async () => {
    const graph = model.addGradients({ loss: (g) => g.value('y').sumAll(), of: ['x'] });
    const again = await autodiff.load(graph.toOnnx());
    expect(again.outputs).toEqual(graph.outputs);
  });

  it('should differentiate an output by its name, also one that is called loss', async () => {
    const scalar = await autodiff.load(
      model.addGradients({ loss: (g) => g.value('y').sumAll(), of: ['x'] }).toOnnx(),
    );
    const twice = scalar.addGradients({ loss: 'loss', of: ['gradient:x'] });
    expect(twice.outputs.map(({ name }) => name)).toEqual(['y', 'gradient:x', 'loss', 'gradient:gradient:x']);
  });

  it.each([
    [
      'a loss that is no scalar',
      () => model.addGradients({ loss: 'y', of: ['x'] }),
      'TRIB_GRAPH',
      /loss "y": expected a float32 scalar, got float32 \[2, 2\]/,
    ],
    [
      'nothing to differentiate by',
      () => model.addGradients({ loss: (g) => g.value('y').sumAll() }),
      'TRIB_GRAPH',
      /addGradients: expected names of values to differentiate by, got none/,
    ],
    [
      'an unknown name',
      () => model.addGradients({ loss: (g) => g.value('y').sumAll(), of: ['z'] }),
      'TRIB_GRAPH',
      /graph value "z": expected one of .* The graph's inputs are x/,
    ],
    [
      'no weight of a name',
      () => model.freeWeights(/fc2/),
      'TRIB_GRAPH',
      /freeWeights: expected \/fc2\/ to match the name of a float32 weight, got none of 2. Names look like w, b/,
    ],
    [
      'no layer of a name',
      () => model.addLora({ pattern: 'fc2', rank: 1 }),
      'TRIB_LORA',
      /LoRA pattern "fc2": .* Names look like \/fc\/MatMul/,
    ],
  ])('should refuse %s', (_, make, code, message) => {
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  it('should ask for the size of an open axis', async () => {
    await expect(autodiff.load(layer())).rejects.toMatchObject({
      code: 'TRIB_MODEL',
      message: expect.stringContaining('Give a size for batch'),
    });
  });
});
