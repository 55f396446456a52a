import { afterEach, describe, expect, it } from 'vitest';
import type { ServiceThread } from '../../../src/models/threads/thread.js';
import { buffersOf, startThread } from '../../../src/models/threads/thread.js';

type GatedService = {
  echo(argument: unknown): Promise<unknown>;
  block(argument: { gate: Int32Array }): Promise<void>;
  failCoded(argument: null): Promise<void>;
  failPlain(argument: null): Promise<void>;
  unsendable(argument: null): Promise<void>;
  crash(argument: null): Promise<void>;
  finished(argument: null): Promise<string[]>;
};

const open: ServiceThread<GatedService>[] = [];
function start(): ServiceThread<GatedService> {
  const thread = startThread<GatedService>(new URL('../engines/gated-thread.mjs', import.meta.url), 'gated');
  open.push(thread);
  return thread;
}
afterEach(() => Promise.all(open.splice(0).map((thread) => thread.close())));

const createGate = () => new Int32Array(new SharedArrayBuffer(8));
const openGate = (gate: Int32Array) => {
  Atomics.store(gate, 1, 1);
  Atomics.notify(gate, 1);
};
/** Waits until the thread says that it blocks. */
const blocked = async (gate: Int32Array) => {
  while (Atomics.load(gate, 0) === 0) await new Promise(setImmediate);
};
const coded = (code: string, message?: string | RegExp) =>
  expect.objectContaining({
    code,
    ...(message === undefined
      ? {}
      : { message: typeof message === 'string' ? message : expect.stringMatching(message) }),
  });
const CANCELLED = coded(
  'TRIB_CANCELLED',
  'thread "gated" block: expected to finish, got canceled. Start it again if you still want it.',
);

describe('startThread', () => {
  it('should answer calls, each with its own result', async () => {
    const { call } = start();
    expect(await Promise.all([call.echo(1), call.echo('two'), call.echo({ three: [3] })])).toEqual([
      1,
      'two',
      { three: [3] },
    ]);
  });

  it('should move buffers that are transferred, and copy the rest', async () => {
    const { call } = start();
    const [moved, kept] = [Float32Array.of(1, 2), Float32Array.of(3)];
    expect(await call.echo({ moved, kept }, { transfer: [moved.buffer] })).toEqual({
      moved: Float32Array.of(1, 2),
      kept: Float32Array.of(3),
    });
    expect(moved.length).toBe(0);
    expect(kept).toEqual(Float32Array.of(3));
  });

  it('should pass on the code, the text and the retry flag of an error', async () => {
    await expect(start().call.failCoded(null)).rejects.toMatchObject({
      name: 'TributaryError',
      code: 'TRIB_LORA',
      message: 'lora: expected a, got b. Do c.',
      retryable: true,
    });
  });

  it('should give a code to any other error', async () => {
    const { call } = start();
    await expect(call.failPlain(null)).rejects.toEqual(coded('TRIB_INTERNAL', /^RangeError: plain/));
    await expect(call.unsendable(null)).rejects.toEqual(coded('TRIB_INTERNAL', /could not be cloned/));
    expect(await call.echo('still there')).toBe('still there');
  });

  it('should refuse an argument that cannot be sent, and stay usable', async () => {
    const { call } = start();
    const moved = Float32Array.of(1);
    await call.echo(moved, { transfer: [moved.buffer] });
    await expect(call.echo(moved, { transfer: [moved.buffer] })).rejects.toEqual(
      coded(
        'TRIB_ENGINE',
        /^thread "gated" echo: expected data that can be sent, got ".*"\. Do not reuse buffers/,
      ),
    );
    expect(await call.echo(2)).toBe(2);
  });

  it('should reject every open call when the thread breaks, and every later one', async () => {
    const { call } = start();
    const broken = coded(
      'TRIB_THREAD',
      /^thread "gated": expected to serve until closed, got the thread broke\./,
    );
    const calls = [call.crash(null), call.crash(null)];
    for (const waiting of await Promise.allSettled(calls))
      expect(waiting).toMatchObject({ status: 'rejected', reason: broken });
    await expect(call.echo(1)).rejects.toEqual(broken);
  });

  it('should say so when the module is not there', async () => {
    const thread = startThread<GatedService>(new URL('./no-such-thread.mjs', import.meta.url), 'lost');
    await expect(thread.call.echo(1)).rejects.toEqual(
      coded('TRIB_THREAD', /^thread "lost": .*Cannot find module/),
    );
    await thread.close();
  });
});

describe('canceling a call', () => {
  it('should reject at once when the signal was aborted before', async () => {
    const { call } = start();
    await expect(call.echo(1, { signal: AbortSignal.abort() })).rejects.toEqual(coded('TRIB_CANCELLED'));
    expect(await call.finished(null)).toEqual([]);
  });

  it('should reject while the thread still runs, which finishes and serves on', async () => {
    const { call } = start();
    const [gate, controller] = [createGate(), new AbortController()];
    const running = call.block({ gate }, { signal: controller.signal });
    await blocked(gate);
    controller.abort();
    await expect(running).rejects.toEqual(CANCELLED);
    expect(Atomics.load(gate, 1)).toBe(0);
    openGate(gate);
    expect(await call.finished(null)).toEqual(['block']);
  });

  it('should reject a call that waits behind another, and leave the other alone', async () => {
    const { call } = start();
    const [gate, controller] = [createGate(), new AbortController()];
    const running = call.block({ gate });
    const waiting = call.echo(1, { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toEqual(coded('TRIB_CANCELLED'));
    openGate(gate);
    await running;
  });

  it('should take no notice of a signal aborted after the answer', async () => {
    const { call } = start();
    const controller = new AbortController();
    expect(await call.echo(1, { signal: controller.signal })).toBe(1);
    controller.abort();
    expect(await call.echo(2)).toBe(2);
  });
});

describe('closing a thread', () => {
  it('should let running calls finish first', async () => {
    const thread = start();
    const gate = createGate();
    const running = thread.call.block({ gate });
    await blocked(gate);
    const order: string[] = [];
    const closed = thread.close().then(() => order.push('closed'));
    openGate(gate);
    await running.then(() => order.push('finished'));
    await closed;
    expect(order).toEqual(['finished', 'closed']);
  });

  it('should wait for a call that was canceled while it ran', async () => {
    const thread = start();
    const [gate, controller] = [createGate(), new AbortController()];
    const running = thread.call.block({ gate }, { signal: controller.signal });
    await blocked(gate);
    controller.abort();
    await expect(running).rejects.toEqual(CANCELLED);
    const closed = thread.close();
    openGate(gate);
    await closed;
  });

  it('should be the same end however often it is asked for', async () => {
    const thread = start();
    await Promise.all([thread.close(), thread.close()]);
    await thread.close();
  });

  it('should refuse calls from then on', async () => {
    const thread = start();
    const closed = thread.close();
    await expect(thread.call.echo(1)).rejects.toEqual(
      coded('TRIB_CANCELLED', 'thread "gated": expected to be open, got a call after close. Start it again.'),
    );
    await closed;
  });
});

describe('buffersOf', () => {
  it('should find the buffers of all whole arrays inside a value, once each', () => {
    const [a, b] = [new Float32Array(2), new BigInt64Array(1)];
    expect(buffersOf({ list: [a, { again: a }], map: new Map([['b', b]]), text: 'x', none: null })).toEqual(
      new Set([a.buffer, b.buffer]),
    );
  });

  it('should leave out shared memory and views of a part', () => {
    const part = new Float32Array(4).subarray(1);
    expect(buffersOf([part, new Int32Array(new SharedArrayBuffer(4))])).toEqual(new Set());
  });
});
