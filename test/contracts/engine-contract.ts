/** @file What every engine promises, whatever it runs on. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, Executable } from '../../src/models/engines/contract/engine.js';
import { decodeModel } from '../../src/models/graph/onnx/decode.js';
import { encodeGraph } from '../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../src/models/graph/ops/builder.js';
import { float32, int64 } from '../../src/models/tensor.js';

export interface EngineUnderTest {
  readonly create: () => Engine;
  /** What it says it runs on. */
  readonly provider: string;
}

const coded = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, ...(message && { message: expect.stringMatching(message) }) });

/** product = x · y, and whether it is above 2. */
export function productModel(): Uint8Array {
  const g = new GraphBuilder();
  const [x, y] = [g.input('x', 'float32', [2]), g.input('y', 'float32', [2])];
  const product = g.output(x.mul(y), 'product');
  g.output(product.greater(2), 'above');
  return encodeGraph(g.build(), {
    symbolicAxes: { x: ['size'], y: ['size'], product: ['size'], above: ['size'] },
  });
}

/** Enough work that runs queue up behind it. */
function slowModel(): Uint8Array {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [256, 256]);
  let y = x;
  for (let i = 0; i < 30; i++) y = y.matMul(x);
  g.output(y.meanAll(), 'mean');
  return encodeGraph(g.build());
}

const vector = (...elements: number[]) => float32(elements, [elements.length]);
const slowFeeds = () => ({ x: float32(new Float32Array(256 * 256).fill(2 ** -8), [256, 256]) });

/** Runs the suite that every engine passes. */
export function describeEngine(name: string, { create, provider: wanted }: EngineUnderTest): void {
  const opened: Engine[] = [];
  function open(): Engine {
    const engine = create();
    opened.push(engine);
    return engine;
  }
  afterEach(() => Promise.all(opened.splice(0).map((engine) => engine.close())));

  describe(`${name}: running graphs`, () => {
    let engine: Engine;
    let executable: Executable;
    beforeAll(async () => {
      engine = create();
      executable = await engine.compile(productModel(), { label: 'product' });
    });
    afterAll(() => engine.close());

    it('should tell the inputs, outputs and provider of a graph', () => {
      const { inputs, outputs, provider, fallbacks } = executable;
      expect({ inputs, outputs, provider, fallbacks }).toEqual({
        inputs: [
          { name: 'x', type: 'float32', shape: ['size'] },
          { name: 'y', type: 'float32', shape: ['size'] },
        ],
        outputs: [
          { name: 'product', type: 'float32', shape: ['size'] },
          { name: 'above', type: 'bool', shape: ['size'] },
        ],
        provider: wanted,
        fallbacks: [],
      });
    });

    it('should run a graph, at any size of an open axis', async () => {
      expect(await executable.run({ x: vector(1, 2, 3), y: vector(1, 1, 2) })).toEqual({
        product: vector(1, 2, 6),
        above: { type: 'bool', shape: [3], data: Uint8Array.of(0, 0, 1) },
      });
    });

    it('should give each run its own arrays', async () => {
      const first = await executable.run({ x: vector(1), y: vector(1) });
      const second = await executable.run({ x: vector(5), y: vector(1) });
      expect([first.product?.data, second.product?.data]).toEqual([Float32Array.of(1), Float32Array.of(5)]);
    });

    it('should copy feeds unless they are to be moved', async () => {
      const [x, y] = [vector(3), vector(4)];
      await executable.run({ x, y });
      expect([x.data.length, y.data.length]).toEqual([1, 1]);
      expect((await executable.run({ x, y }, { transfer: true })).product).toEqual(vector(12));
      expect([x.data.buffer.byteLength, y.data.buffer.byteLength]).toEqual([0, 0]);
      await expect(executable.run({ x, y }, { transfer: true })).rejects.toEqual(coded('TRIB_ENGINE'));
    });

    it('should not take away the whole of an array when a part of it is to be moved', async () => {
      const whole = Float32Array.of(1, 2, 3, 4);
      const x = float32(whole.subarray(2), [2]);
      expect((await executable.run({ x, y: vector(1, 1) }, { transfer: true })).product).toEqual(
        vector(3, 4),
      );
      expect(whole).toEqual(Float32Array.of(1, 2, 3, 4));
    });

    it('should keep held feeds for later runs until they are replaced, and let a run have its own', async () => {
      const held = await engine.compile(productModel(), { label: 'held' });
      await held.hold({ y: vector(10, 10) });
      expect((await held.run({ x: vector(1, 2) })).product).toEqual(vector(10, 20));
      expect((await held.run({ x: vector(1, 2), y: vector(0, 1) })).product).toEqual(vector(0, 2));
      await held.hold({ y: vector(3, 3) });
      expect((await held.run({ x: vector(1, 2) })).product).toEqual(vector(3, 6));
      await held.hold({ x: vector(7, 7) });
      expect((await held.run({})).product).toEqual(vector(21, 21));
      expect((await executable.run({ x: vector(1), y: vector(2) })).product).toEqual(vector(2));
      await held.release();
    });

    it('should run with the feeds that were held when a run was asked for', async () => {
      const held = await engine.compile(productModel(), { label: 'held' });
      await held.hold({ y: vector(2) });
      const before = held.run({ x: vector(3) });
      const holding = held.hold({ y: vector(5) });
      const after = held.run({ x: vector(3) });
      expect([(await before).product, (await after).product]).toEqual([vector(6), vector(15)]);
      await holding;
      await held.release();
    });

    it('should finish a run before the graph is released, and refuse runs after', async () => {
      const slow = await engine.compile(slowModel(), { label: 'slow' });
      const running = slow.run(slowFeeds());
      const released = slow.release();
      expect((await running).mean?.shape).toEqual([]);
      await released;
      const gone = coded(
        'TRIB_ENGINE',
        /expected a compiled graph, got one that was released\. Compile it again\.$/,
      );
      await expect(slow.run(slowFeeds())).rejects.toEqual(gone);
      await expect(slow.hold({})).rejects.toEqual(gone);
      await expect(slow.release()).rejects.toEqual(gone);
    });

    it.each([
      ['a missing feed', { x: vector(1) }],
      ['another type', { x: int64([1]), y: vector(1) }],
      ['another rank', { x: float32([1], [1, 1]), y: vector(1) }],
      [
        'data of another length',
        { x: { type: 'float32', shape: [2], data: new Float32Array(3) }, y: vector(1, 2) },
      ],
    ] as const)('should refuse %s, and run on', async (_, feeds) => {
      await expect(executable.run(feeds)).rejects.toEqual(
        coded('TRIB_ENGINE', /^product: expected a run with inputs x, y, got "/),
      );
      expect((await executable.run({ x: vector(2), y: vector(2) })).product).toEqual(vector(4));
    });

    it('should refuse shapes that do not broadcast, and run on', async () => {
      const unfit = { x: vector(1, 2, 3), y: vector(1, 2) };
      await expect(executable.run(unfit)).rejects.toEqual(coded('TRIB_ENGINE', /^product: /));
      expect((await executable.run({ x: vector(2), y: vector(2) })).product).toEqual(vector(4));
    });

    it.each([
      ['rubbish', new Uint8Array(40).fill(7)],
      ['nothing', new Uint8Array()],
      ['half a model', productModel().slice(0, 80)],
    ])('should refuse to compile %s', async (_, bytes) => {
      await expect(engine.compile(bytes, { label: 'unet/model.onnx' })).rejects.toEqual(
        coded(
          'TRIB_ENGINE',
          /^unet\/model\.onnx: expected a graph that \w+ can run, got ".*"\. Check the model/,
        ),
      );
    });

    it('should name an operator that it does not have, and its node', async () => {
      const g = new GraphBuilder();
      const x = g.input('x', 'float32', [1]);
      g.append({
        name: 'odd',
        op: 'Nope',
        domain: '',
        inputs: [x],
        outputs: [{ ...x, name: 'y' }],
        attributes: {},
      });
      g.output(g.value('y'));
      const refusal = engine.compile(encodeGraph(g.build()), { label: 'm' });
      await expect(refusal).rejects.toEqual(coded('TRIB_ENGINE', /odd/));
      await expect(refusal).rejects.toEqual(coded('TRIB_ENGINE', /Nope/));
    });

    it('should fold constants and infer the outputs of a model', async () => {
      const g = new GraphBuilder();
      const x = g.input('x', 'float32', [2, 2]);
      const weight = g.initializer('weight', float32([1, 2, 3, 4], [2, 2]));
      g.output(x.matMul(weight.transpose([1, 0])), 'y');
      const model = encodeGraph(g.build());
      const { graph } = decodeModel(await engine.simplify(model, 'm'), 'm');
      expect(graph.node.map((node) => node.opType)).toEqual(['MatMul']);
      expect(await engine.outputPorts(model, 'm')).toEqual([{ name: 'y', type: 'float32', shape: [2, 2] }]);
    });
  });

  describe(`${name}: canceling a run`, () => {
    it('should reject at once, while it runs and while it waits, and run what follows', async () => {
      const engine = open();
      const slow = await engine.compile(slowModel(), { label: 'slow' });
      const quick = await engine.compile(productModel(), { label: 'quick' });
      const order: string[] = [];
      const note = (name: string) => (error: unknown) => {
        order.push(name);
        throw error;
      };
      const controller = new AbortController();
      const { signal } = controller;
      const before = quick.run({ x: vector(1), y: vector(1) });
      const running = slow.run(slowFeeds(), { signal }).catch(note('running'));
      const waiting = slow.run(slowFeeds(), { signal, transfer: true }).catch(note('waiting'));
      const follower = quick.run({ x: vector(2), y: vector(3) }).finally(() => order.push('follower'));
      await before;
      controller.abort();
      const canceled = { status: 'rejected', reason: coded('TRIB_CANCELLED') };
      expect(await Promise.allSettled([running, waiting])).toEqual([canceled, canceled]);
      expect((await follower).product).toEqual(vector(6));
      const rejected = order.slice(0, -1);
      // Side by side both run, and nobody is first.
      expect(slow.shards === 1 ? rejected : rejected.toSorted()).toEqual(['running', 'waiting']);
      expect(order.at(-1)).toBe('follower');
      await expect(quick.run({ x: vector(1), y: vector(1) }, { signal })).rejects.toEqual(
        coded('TRIB_CANCELLED'),
      );
    });
  });

  describe(`${name}: closing`, () => {
    it('should let runs finish, close once for all askers, and refuse calls after', async () => {
      const engine = open();
      const slow = await engine.compile(slowModel(), { label: 'slow' });
      const runs = [slow.run(slowFeeds()), slow.run(slowFeeds())];
      const closed = [engine.close(), engine.close()];
      expect((await Promise.all(runs)).map((result) => result.mean?.shape)).toEqual([[], []]);
      await Promise.all(closed);
      const refused = coded('TRIB_CANCELLED', /expected to be open, got a call after close/);
      await expect(slow.run(slowFeeds())).rejects.toEqual(refused);
      await expect(engine.compile(productModel(), { label: 'late' })).rejects.toEqual(refused);
    });
  });
}
