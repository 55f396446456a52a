/**
 * @file Calls across a thread. A thread serves an object of async methods; its owner calls them through a client of the
 * same type. Buffers inside results and transferred arguments move, they are not copied. A thread is asked to stop and
 * finishes what it runs: ending it from outside while native code runs would abort the whole process.
 */

import type { TransferListItem } from 'node:worker_threads';
import { parentPort, Worker } from 'node:worker_threads';
import type { ErrorCode } from '../../errors.js';
import { asTributaryError, TributaryError } from '../../errors.js';

/** Methods that a thread may serve: one argument that can be cloned, and a signal that says when the answer is no longer wanted. */
export type Service<T> = {
  readonly [M in keyof T]: (argument: never, signal: AbortSignal) => Promise<unknown>;
};

/** How the owner of a thread calls its service. */
export type Client<T extends Service<T>> = {
  readonly [M in keyof T]: (argument: Parameters<T[M]>[0], options?: CallOptions) => ReturnType<T[M]>;
};

export interface CallOptions {
  /** Aborting rejects the call at once with TRIB_CANCELLED; the thread stops at its next safe point. */
  readonly signal?: AbortSignal | undefined;
  /** Buffers of the argument that move to the thread; the caller can no longer use them. */
  readonly transfer?: readonly ArrayBuffer[];
}

export interface ServiceThread<T extends Service<T>> {
  readonly call: Client<T>;
  /** Lets running calls finish, then ends the thread. Calling it again waits for the same end. */
  close(): Promise<void>;
}

type Request =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly argument: unknown }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'close' };

type Response =
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  /** The answer to a call that was canceled: the thread is done with it. */
  | { readonly kind: 'canceled'; readonly id: number }
  | { readonly kind: 'error'; readonly id: number; readonly error: WireError };

interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/** Buffers of every typed array inside a value of plain objects and arrays. Shared buffers and views of a part are left out. */
export function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength)
      found.add(value.buffer);
  } else if (Array.isArray(value)) {
    for (const item of value) buffersOf(item, found);
  } else if (value instanceof Map) {
    for (const item of value.values()) buffersOf(item, found);
  } else if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) buffersOf(item, found);
  }
  return found;
}

/** Starts the module at `url` in a thread and returns a client of the service that it serves. */
export function startThread<T extends Service<T>>(
  url: URL,
  name: string,
  workerData?: unknown,
): ServiceThread<T> {
  const worker = new Worker(url, { name, workerData });
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();
  // Calls that the thread has not answered, canceled ones included: until it has, it may run native code, and the process
  // must not end under it.
  let unanswered = 0;
  let nextId = 0;
  let ended: TributaryError | undefined;
  let closing: Promise<void> | undefined;
  const exit = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let failure: unknown;

  const settle = (id: number) => {
    const call = waiting.get(id);
    waiting.delete(id);
    return call;
  };
  worker.on('message', (response: Response) => {
    unanswered--;
    if (unanswered === 0 && closing === undefined) worker.unref();
    const call = settle(response.id);
    if (response.kind === 'result') call?.resolve(response.result);
    if (response.kind === 'error') {
      const { code, message, retryable } = response.error;
      call?.reject(new TributaryError(code, message, { retryable }));
    }
  });
  worker.on('error', (error) => {
    failure = error;
  });
  worker.once('exit', () => {
    ended ??= new TributaryError(
      'TRIB_THREAD',
      `thread "${name}": expected to serve until closed, got ${failure instanceof Error ? failure.message : 'an early end'}. Look above for what it wrote; free memory if it was killed.`,
      {
        cause: failure,
      },
    );
    for (const id of [...waiting.keys()]) settle(id)?.reject(ended);
  });
  worker.unref();

  const invoke = (method: string, argument: unknown, { signal, transfer }: CallOptions = {}) =>
    new Promise<unknown>((resolve, reject) => {
      if (ended) return reject(ended);
      if (signal?.aborted) return reject(canceled(name, method));
      const id = nextId++;
      const onAbort = () => {
        worker.postMessage({ kind: 'cancel', id } satisfies Request);
        settle(id)?.reject(canceled(name, method));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const finish =
        <V>(deliver: (value: V) => void) =>
        (value: V) => {
          signal?.removeEventListener('abort', onAbort);
          deliver(value);
        };
      waiting.set(id, { resolve: finish(resolve), reject: finish(reject) });
      try {
        worker.postMessage(
          { kind: 'call', id, method, argument } satisfies Request,
          // A buffer moved away before would be sent, and lost on the way; left out, it is an error here.
          transfer?.filter((buffer) => buffer.byteLength > 0) as TransferListItem[] | undefined,
        );
      } catch (cause) {
        settle(id)?.reject(unsendable(name, method, cause));
        return;
      }
      unanswered++;
      worker.ref();
    });

  return {
    call: new Proxy({} as Client<T>, {
      get: (_, method) => (argument: unknown, options?: CallOptions) =>
        invoke(String(method), argument, options),
    }),
    close() {
      ended ??= new TributaryError(
        'TRIB_CANCELLED',
        `thread "${name}": expected to be open, got a call after close. Start it again.`,
      );
      if (closing === undefined) {
        closing = exit;
        worker.ref();
        worker.postMessage({ kind: 'close' } satisfies Request);
      }
      return closing;
    },
  };
}

/** Serves an object's methods to the owner of this thread, until the owner closes it; then `close` runs and the thread ends. */
export function serveThread<T extends Service<T>>(service: T, close: () => Promise<void>): void {
  const port = parentPort;
  if (!port)
    throw new TributaryError(
      'TRIB_INTERNAL',
      'serveThread: expected to run in a worker thread, got the main thread. Start the module with startThread.',
    );
  const running = new Map<number, AbortController>();
  const answers = new Set<Promise<void>>();

  const answer = async (id: number, method: string, argument: unknown) => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const result = await service[method as keyof T](argument as never, controller.signal);
      if (controller.signal.aborted) port.postMessage({ kind: 'canceled', id } satisfies Response);
      else port.postMessage({ kind: 'result', id, result } satisfies Response, [...buffersOf(result)]);
    } catch (error) {
      port.postMessage({ kind: 'error', id, error: toWire(error) } satisfies Response);
    } finally {
      running.delete(id);
    }
  };
  port.on('message', async (request: Request) => {
    switch (request.kind) {
      case 'call': {
        const task = answer(request.id, request.method, request.argument);
        answers.add(task);
        void task.finally(() => answers.delete(task));
        break;
      }
      case 'cancel':
        running.get(request.id)?.abort();
        break;
      case 'close':
        await Promise.all(answers);
        await close();
        port.close();
        break;
      default:
        request satisfies never;
    }
  });
}

function canceled(name: string, method: string): TributaryError {
  return new TributaryError(
    'TRIB_CANCELLED',
    `thread "${name}" ${method}: expected to finish, got canceled. Start it again if it is still wanted.`,
  );
}

function unsendable(name: string, method: string, cause: unknown): TributaryError {
  return new TributaryError(
    'TRIB_ENGINE',
    `thread "${name}" ${method}: expected data that can be sent, got "${cause instanceof Error ? cause.message : String(cause)}". Do not use buffers again that were moved away.`,
    { cause },
  );
}

function toWire(error: unknown): WireError {
  const { code, message, retryable, cause } = asTributaryError(error);
  // A fault of the program is known by its stack alone, which does not survive the way between threads.
  if (code === 'TRIB_INTERNAL' && cause instanceof Error)
    return { code, message: cause.stack ?? cause.message, retryable };
  return { code, message, retryable };
}
