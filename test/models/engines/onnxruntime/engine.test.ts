import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, EngineOptions, Executable } from '../../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../../src/models/engines/onnxruntime/engine.js';
import { decodeModel } from '../../../../src/models/graph/onnx/decode.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { float32, int64 } from '../../../../src/models/tensor.js';
import { productModel } from '../../../contracts/engine-contract.js';

const coded = (code: string, message?: string | RegExp) =>
  expect.objectContaining({
    code,
    ...(message === undefined
      ? {}
      : { message: typeof message === 'string' ? message : expect.stringMatching(message) }),
  });

const opened: Engine[] = [];
function open(options: Partial<EngineOptions> = {}): Engine {
  const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1, ...options });
  opened.push(engine);
  return engine;
}
afterEach(() => Promise.all(opened.splice(0).map((engine) => engine.close())));

const vector = (...elements: number[]) => float32(elements, [elements.length]);

describe('what onnxruntime says of a fault', () => {
  let engine: Engine;
  let executable: Executable;
  beforeAll(async () => {
    engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
    executable = await engine.compile(productModel(), { label: 'product' });
  });
  afterAll(() => engine.close());

  it.each([
    [
      'a missing feed',
      { x: vector(1) },
      `product: expected a run with inputs x, y, got "input 'y' is missing in 'feeds'". Check names, types and shapes.`,
    ],
    [
      'another type',
      { x: int64([1]), y: vector(1) },
      /^product: .*got "Unexpected input data type\. Actual: \(tensor\(int64\)\) , expected: \(tensor\(float\)\)"/,
    ],
    [
      'another rank',
      { x: float32([1], [1, 1]), y: vector(1) },
      /^product: .*got "Invalid rank for input: x Got: 2 Expected: 1/,
    ],
    [
      'shapes that do not broadcast',
      { x: vector(1, 2, 3), y: vector(1, 2) },
      /^product: expected a run with inputs x, y, got "Non-zero status code/,
    ],
    [
      'data of another length',
      { x: { type: 'float32', shape: [2], data: new Float32Array(3) }, y: vector(1, 2) },
      /^product: .*Tensor's size\(2\) does not match data length\(3\)/,
    ],
  ] as const)('should refuse %s, and run on', async (_, feeds, message) => {
    await expect(executable.run(feeds)).rejects.toEqual(coded('TRIB_ENGINE', message));
    expect((await executable.run({ x: vector(2), y: vector(2) })).product).toEqual(vector(4));
  });

  it.each([
    ['rubbish', new Uint8Array(40).fill(7), /protobuf parsing failed/],
    ['nothing', new Uint8Array(), /Model data pointer is null/],
    ['half a model', productModel().slice(0, 80), /protobuf parsing failed/],
  ])('should refuse to compile %s', async (_, bytes, reason) => {
    const refusal = engine.compile(bytes, { label: 'unet/model.onnx' });
    await expect(refusal).rejects.toEqual(coded('TRIB_ENGINE', reason));
    await expect(refusal).rejects.toEqual(
      coded(
        'TRIB_ENGINE',
        /^unet\/model\.onnx: expected a graph that onnxruntime can run, got ".*"\. Check the model with another version, or export it again\.$/,
      ),
    );
  });
});

describe('simplifying a model', () => {
  it('should fold constants, drop copies, keep MatMul and Add apart, and leave no file behind', async () => {
    const before = process.env.TMPDIR;
    const folder = await mkdtemp(join(tmpdir(), 'simplify-test-'));
    process.env.TMPDIR = folder;
    try {
      const engine = open();
      const g = new GraphBuilder();
      const x = g.input('x', 'float32', [2, 2]);
      const weight = g.initializer('weight', float32([1, 2, 3, 4], [2, 2]));
      const product = x.matMul(weight.transpose([1, 0]).identity());
      g.output(product.add(g.constant(float32([1, 2], [2]))), 'y');
      const model = decodeModel(await engine.simplify(encodeGraph(g.build()), 'm'), 'm');
      expect(model.graph.node.map((node) => node.opType)).toEqual(['MatMul', 'Add']);
      expect(await readdir(folder)).toEqual([]);
      await expect(engine.simplify(new Uint8Array(9), 'broken.onnx')).rejects.toEqual(
        coded('TRIB_ENGINE', /^broken\.onnx: /),
      );
      expect(await readdir(folder)).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
      await rm(folder, { recursive: true });
    }
  });
});

describe('closing an engine', () => {
  it.each([
    ['without closing', 'leave', 'TRIB_CANCELLED\n'],
    ['after closing', 'close', 'TRIB_CANCELLED\nclosed\n'],
  ])('should end the program cleanly %s, though a canceled run is in native code', async (_, how, stdout) => {
    const program = fileURLToPath(new URL('./ends-while-running.mjs', import.meta.url));
    expect(await promisify(execFile)(process.execPath, [program, how])).toEqual({ stdout, stderr: '' });
  });
});

describe('providers', () => {
  const absent = /^provider (cuda|webgpu) is not there: /;

  it.each(['cuda', 'webgpu'] as const)('should fall back from %s to the CPU and say why', async (wanted) => {
    const executable = await open({ providers: [wanted, 'cpu'] }).compile(productModel(), {
      label: 'product',
    });
    expect([wanted, 'cpu']).toContain(executable.provider);
    expect(executable.fallbacks).toEqual(
      executable.provider === wanted ? [] : [expect.stringMatching(absent)],
    );
    expect((await executable.run({ x: vector(2), y: vector(2) })).product).toEqual(vector(4));
  });

  it('should fail when none of the wanted providers is there', async () => {
    const [outcome] = await Promise.allSettled([
      open({ providers: ['cuda'] }).compile(productModel(), { label: 'product' }),
    ]);
    const missing = coded(
      'TRIB_PROVIDER',
      /^product: expected one of the providers cuda, got provider cuda is not there: .*\. Add cpu to engine\.providers, or run tributary doctor\.$/,
    );
    expect(outcome).toMatchObject(
      outcome.status === 'rejected' ? { reason: missing } : { value: { provider: 'cuda' } },
    );
  });

  it('should not take a broken model for a missing provider', async () => {
    const engine = open({ providers: ['cuda', 'cpu'] });
    await expect(engine.compile(new Uint8Array(40).fill(7), { label: 'm' })).rejects.toEqual(
      coded('TRIB_ENGINE'),
    );
  });

  it('should ask for a provider if none is given', async () => {
    await expect(open({ providers: [] }).compile(productModel(), { label: 'm' })).rejects.toEqual(
      coded('TRIB_PROVIDER', /got an empty list/),
    );
  });
});
