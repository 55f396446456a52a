import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GradientRequest, TfjsOptions } from '../../../../src/models/engines/contract/engine.js';
import type { TfjsEngine } from '../../../../src/models/engines/tfjs/engine.js';
import { createTfjsEngine } from '../../../../src/models/engines/tfjs/engine.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { conv } from '../../../../src/models/graph/ops/convolution.js';
import { float32, float32Data, int64 } from '../../../../src/models/tensor.js';
import { productModel } from '../../../contracts/engine-contract.js';

const opened: TfjsEngine[] = [];
function open(options: Partial<TfjsOptions> = {}): TfjsEngine {
  const engine = createTfjsEngine({ backends: ['wasm'], threads: 1, gradients: 'tape', ...options });
  opened.push(engine);
  return engine;
}
afterEach(() => Promise.all(opened.splice(0).map((engine) => engine.close())));

const coded = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

/** A small network with everything that a run may leave behind: weights in another layout, a barrier, a tape. */
function network() {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3, 8, 8]);
  const filter = g.initializer('filter', float32(new Float32Array(4 * 3 * 3 * 3).fill(0.1), [4, 3, 3, 3]));
  const features = conv(x, filter, undefined, { pads: [1, 1, 1, 1] }).tanh();
  const scale = g.input('scale', 'float32', [4, 1, 1]);
  const scaled = features.mul(scale);
  const loss = scaled.mul(scaled).div(scaled.exp().stopGradient()).meanAll();
  g.output(loss, 'loss');
  const gradients: GradientRequest = { loss: 'loss', parameters: ['scale'], barriers: [...g.barriers] };
  return { model: encodeGraph(g.build()), gradients };
}

describe('sums of a tfjs engine on wasm', () => {
  it('should lose no digits to their length', async () => {
    const g = new GraphBuilder();
    const size = 256;
    const x = g.input('x', 'float32', [size, 2, size]);
    g.output(x.reduceSum([0, 2], false), 'sum');
    g.output(x.reduceMean([0, 2], true), 'mean');
    const executable = await open().compile(encodeGraph(g.build()), { label: 'sums' });
    const { sum, mean } = await executable.run({
      x: float32(new Float32Array(2 * size ** 2).fill(0.1), [size, 2, size]),
    });
    expect(sum?.shape).toEqual([2]);
    expect(mean?.shape).toEqual([1, 2, 1]);
    // One after another they add up to 6557.6 instead of 6553.6.
    for (const value of sum?.data ?? []) expect(Number(value) / (0.1 * size ** 2)).toBeCloseTo(1, 6);
    for (const value of mean?.data ?? []) expect(Number(value) / 0.1).toBeCloseTo(1, 6);
  });
});

describe('tensors of a tfjs engine', () => {
  let engine: TfjsEngine;
  beforeEach(() => {
    engine = open();
  });

  it('should not grow in number over a hundred steps, and be gone when the graph is', async () => {
    const { model, gradients } = network();
    const empty = await engine.countTensors();
    const executable = await engine.compile(model, { label: 'network', gradients });
    const feeds = { x: float32(new Float32Array(2 * 3 * 64).fill(0.5), [2, 3, 8, 8]) };
    const step = async (size: number) => {
      await executable.hold({ scale: float32([size, 2, 3, 4], [4, 1, 1]) });
      return executable.run(feeds);
    };
    await step(1);
    const held = await engine.countTensors();
    expect(held).toBeGreaterThan(empty);
    for (let i = 0; i < 100; i++) await step(i / 100);
    expect(await engine.countTensors()).toBe(held);
    await executable.release();
    expect(await engine.countTensors()).toBe(empty);
  });

  it('should not grow in number by runs that fail, in the forward pass or the backward one', async () => {
    const g = new GraphBuilder();
    const [x, y] = [g.input('x', 'float32', [2]), g.input('y', 'float32', [2])];
    g.output(x.exp().mul(y), 'loss');
    const model = encodeGraph(g.build(), { symbolicAxes: { x: ['n'], y: ['m'], loss: ['n'] } });
    const gradients = { loss: 'loss', parameters: ['x'], barriers: [] };
    const executable = await engine.compile(model, { label: 'm', gradients });
    const before = await engine.countTensors();
    const unfit = { x: float32([1, 2, 3], [3]), y: float32([1, 2], [2]) };
    await expect(executable.run(unfit)).rejects.toEqual(coded('TRIB_ENGINE', /^m: Mul "\/Mul": .* on wasm/));
    expect(await engine.countTensors()).toBe(before);
  });
});

describe('gradients of a tfjs engine', () => {
  it('should stop at a barrier', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', []);
    g.output(x.mul(x.mul(x).stopGradient()), 'loss');
    const gradients = { loss: 'loss', parameters: ['x'], barriers: [...g.barriers] };
    const executable = await open().compile(encodeGraph(g.build()), { label: 'm', gradients });
    const { loss, 'gradient:x': slope } = await executable.run({ x: float32([3], []) });
    expect([loss, slope].map((tensor) => float32Data(tensor, 'm')[0])).toEqual([27, 9]);
  });

  it('should be zeros for a parameter that the loss does not depend on, and be listed as outputs', async () => {
    const g = new GraphBuilder();
    const [x, y] = [g.input('x', 'float32', []), g.input('y', 'float32', [2])];
    g.output(x.mul(x), 'loss');
    g.output(y, 'other');
    const gradients = { loss: 'loss', parameters: ['x', 'y'], barriers: [] };
    const executable = await open().compile(encodeGraph(g.build()), { label: 'm', gradients });
    expect(executable.outputs.slice(2)).toEqual([
      { name: 'gradient:x', type: 'float32', shape: [] },
      { name: 'gradient:y', type: 'float32', shape: [2] },
    ]);
    const results = await executable.run({ x: float32([3], []), y: float32([1, 2], [2]) });
    expect(results['gradient:x']?.data).toEqual(Float32Array.of(6));
    expect(results['gradient:y']?.data).toEqual(Float32Array.of(0, 0));
  });
});

describe('integers of a tfjs engine', () => {
  const doubled = () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'int64', [1]);
    g.output(x.add(x), 'y');
    return encodeGraph(g.build());
  };

  it('should come back in the type that the graph declares', async () => {
    const executable = await open().compile(doubled(), { label: 'm' });
    expect((await executable.run({ x: int64([-21]) })).y).toEqual(int64([-42]));
  });

  it('should be refused beyond 32 bits', async () => {
    const executable = await open().compile(doubled(), { label: 'm' });
    await expect(executable.run({ x: int64([2 ** 31]) })).rejects.toEqual(
      coded('TRIB_ENGINE', /^m: tensor "x": expected 32-bit integers, .* got 2147483648\./),
    );
  });
});

describe('backends', () => {
  it('should fall back from one that is not installed and say why', async () => {
    const { provider, fallbacks } = await open({ backends: ['node-gpu', 'cpu'] }).compile(productModel(), {
      label: 'product',
    });
    expect(provider).toMatch(/^tfjs-(node-gpu|cpu)$/);
    const absent = /^backend node-gpu is not there: Cannot find module '@tensorflow\/tfjs-node-gpu'/;
    expect(fallbacks).toEqual(provider === 'tfjs-cpu' ? [expect.stringMatching(absent)] : []);
  });

  it('should ask for a backend if none is given', async () => {
    await expect(open({ backends: [] }).compile(productModel(), { label: 'm' })).rejects.toEqual(
      coded('TRIB_PROVIDER', /got an empty list\. Add cpu to engine\.tfjs\.backends/),
    );
  });
});
