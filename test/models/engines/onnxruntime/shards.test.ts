import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, EngineOptions, Executable } from '../../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../../src/models/engines/onnxruntime/engine.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import { counterRandom } from '../../../../src/models/random/counter-random.js';
import { float32, float32Data, type Tensor } from '../../../../src/models/tensor.js';
import { productModel } from '../../../contracts/engine-contract.js';

const opened: Engine[] = [];
function open(options: Partial<EngineOptions> = {}): Engine {
  const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 3, ...options });
  opened.push(engine);
  return engine;
}
afterEach(() => Promise.all(opened.splice(0).map((engine) => engine.close())));

const normal = (group: number, shape: number[]) =>
  float32(
    counterRandom({ seed: 1, purpose: 'evaluation', group }).normal(shape.reduce((a, b) => a * b)),
    shape,
  );

/** Products whose sums are long, with few rows: what several threads of one session add in another order. */
function wideProduct(): Uint8Array {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [4, 2048]);
  const y = g.input('y', 'float32', [2048, 96]);
  g.output(x.matMul(y), 'product');
  return encodeGraph(g.build());
}

const vector = (...elements: number[]) => float32(elements, [elements.length]);
const productOf = async (executable: Executable, x: Tensor) => (await executable.run({ x })).product;

describe('an engine with several threads', () => {
  it('should give the same bytes whatever their number', async () => {
    const results = await Promise.all(
      [1, 2, 3].map(async (threads) => {
        const executable = await open({ threads }).compile(wideProduct(), { label: 'product' });
        expect(executable.shards).toBe(threads);
        await executable.hold({ y: normal(0, [2048, 96]) });
        const runs = [1, 2, 3, 4, 5].map((group) => productOf(executable, normal(group, [4, 2048])));
        return (await Promise.all(runs)).map((product) => float32Data(product, 'product'));
      }),
    );
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('should answer each run with its own result, and hold feeds on every thread', async () => {
    const executable = await open().compile(productModel(), { label: 'product' });
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    for (const y of [2, 3]) {
      await executable.hold({ y: vector(y) });
      const products = await Promise.all(numbers.map((x) => productOf(executable, vector(x))));
      expect(products).toEqual(numbers.map((x) => vector(x * y)));
    }
  });

  it('should run with the feeds of the time at which a run was asked for', async () => {
    const executable = await open({ threads: 2 }).compile(productModel(), { label: 'product' });
    await executable.hold({ y: vector(2) });
    const before = Array.from({ length: 12 }, (_, x) => productOf(executable, vector(x)));
    await executable.hold({ y: vector(5) });
    expect(await Promise.all(before)).toEqual(before.map((_, x) => vector(2 * x)));
    expect(await productOf(executable, vector(3))).toEqual(vector(15));
  });

  it('should take runs and feeds in the order of the calls, whoever waits for them', async () => {
    const executable = await open({ threads: 2 }).compile(productModel(), { label: 'product' });
    const products = [2, 3, 4].flatMap((y) => {
      const given = vector(y);
      void executable.hold({ y: given });
      // Some threads only need it later.
      given.data.fill(7);
      return [1, 2, 3, 4].map(async (x) => [x * y, await productOf(executable, vector(x))] as const);
    });
    for (const [expected, product] of await Promise.all(products)) expect(product).toEqual(vector(expected));
  });

  it('should refuse an aborted run at once, and go on with those behind it', async () => {
    const executable = await open({ threads: 2 }).compile(productModel(), { label: 'product' });
    const signal = AbortSignal.abort();
    const run = (x: number) => executable.run({ x: vector(x), y: vector(2) }, x === 5 ? { signal } : {});
    const runs = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7].map(run));
    expect(runs.map(({ status }) => status === 'fulfilled')).toEqual([
      true,
      true,
      true,
      true,
      false,
      true,
      true,
    ]);
    expect(runs[4]).toMatchObject({ reason: { code: 'TRIB_CANCELLED' } });
    const controller = new AbortController();
    const later = [1, 2, 3, 4, 5, 6].map(() =>
      executable.run({ x: vector(1), y: vector(1) }, { signal: controller.signal }),
    );
    controller.abort();
    const all = await Promise.allSettled(later);
    expect(all.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    expect(await productOf(executable, vector(1)).catch(({ code }) => code)).toBe('TRIB_ENGINE');
  });

  it('should leave nothing behind at a signal that many runs have', async () => {
    const executable = await open({ threads: 2 }).compile(productModel(), { label: 'product' });
    const { signal } = new AbortController();
    const feeds = { x: vector(3), y: vector(2) };
    await Promise.all(Array.from({ length: 7 }, () => executable.run(feeds, { signal })));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it.each([
    [{ threads: 4, sessionThreads: 2 }, {}, 2],
    [{ threads: 4 }, { isLarge: true }, 1],
    [{ threads: 2, providers: ['webgpu', 'cpu'] }, {}, 1],
  ] as const)('should compute %j, %j in %d runs side by side', async (options, compileOptions, shards) => {
    const executable = await open(options).compile(productModel(), { label: 'product', ...compileOptions });
    expect(executable.shards).toBe(shards);
    expect(await executable.run({ x: vector(2), y: vector(3) })).toMatchObject({ product: vector(6) });
  });
});
