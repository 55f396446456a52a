/**
 * @file Calls between threads. A thread serves an object of async methods; its owner calls them through a client of the same
 * type. Buffers in results and in transferred arguments are moved, not copied. A thread is asked to stop and first finishes
 * what it runs: terminating it while native code runs would abort the whole process.
 */

import { setMaxListeners } from 'node:events';
import { parentPort, type TransferListItem, Worker } from 'node:worker_threads';
import { asTributaryError, type ErrorCode, TributaryError } from '../../errors.js';

/** Methods that a thread may serve: one cloneable argument, and a signal that aborts when the answer is no longer wanted. */
export type Service<T> = {
  readonly [M in keyof T]: (argument: never, signal: AbortSignal) => Promise<unknown>;
};

/** How the owner of a thread calls its service. */
export type Client<T extends Service<T>> = {
  readonly [M in keyof T]: (argument: Parameters<T[M]>[0], options?: CallOptions) => ReturnType<T[M]>;
};

interface CallOptions {
  /** Aborting rejects the call at once with TRIB_CANCELLED; the thread stops at its next safe point. */
  readonly signal?: AbortSignal | undefined;
  /** Buffers of the argument that are moved to the thread; the caller can no longer use them. */
  readonly transfer?: readonly ArrayBuffer[];
}

export interface ServiceThread<T extends Service<T>> {
  readonly call: Client<T>;
  /** Lets running calls finish, then ends the thread. Further calls wait for the same end. */
  close(): Promise<void>;
}

type Request =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly argument: unknown }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'close' };

type Response =
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  /** The answer to a canceled call: the thread is done with it. */
  | { readonly kind: 'canceled'; readonly id: number }
  | { readonly kind: 'error'; readonly id: number; readonly error: WireError };

interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/** Collects the buffers of all typed arrays in a value of plain objects, arrays and maps, except shared and partial ones. */
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
  const thread = new OwnedThread(new Worker(url, { name, workerData }), name);
  return {
    call: new Proxy({} as Client<T>, {
      get: (_, method) => (argument: unknown, options?: CallOptions) =>
        thread.invoke(String(method), argument, options),
    }),
    close: () => thread.close(),
  };
}

interface WaitingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Stops listening to the caller's signal. */
  readonly ignoreSignal: () => void;
}

/** A thread as its owner sees it: the calls that wait for an answer, and how the thread ends. */
class OwnedThread {
  readonly #worker: Worker;
  readonly #name: string;
  readonly #waiting = new Map<number, WaitingCall>();
  /**
   * Calls that the thread has not answered, canceled ones included: until it answers, it may run native code, and the process
   * must not end under it.
   */
  #unanswered = 0;
  #nextId = 0;
  /** Why calls are rejected from now on. */
  #ended: TributaryError | undefined;
  #isClosing = false;
  readonly #exit: Promise<void>;

  constructor(worker: Worker, name: string) {
    this.#worker = worker;
    this.#name = name;
    let failure: unknown;
    worker.on('message', (response: Response) => this.#receive(response));
    worker.on('error', (error) => {
      failure = error;
    });
    this.#exit = new Promise((resolve) =>
      worker.once('exit', () => {
        this.#ended ??= endedEarly(name, failure);
        for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(this.#ended);
        resolve();
      }),
    );
    worker.unref();
  }

  invoke(method: string, argument: unknown, { signal, transfer }: CallOptions = {}): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(canceled(this.#name, method));
    const id = this.#nextId++;
    const onAbort = () => {
      this.#post({ kind: 'cancel', id });
      this.#settle(id)?.reject(canceled(this.#name, method));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    return new Promise((resolve, reject) => {
      const ignoreSignal = () => signal?.removeEventListener('abort', onAbort);
      this.#waiting.set(id, { resolve, reject, ignoreSignal });
      this.#send({ kind: 'call', id, method, argument }, transfer);
    });
  }

  close(): Promise<void> {
    this.#ended ??= new TributaryError(
      'TRIB_CANCELLED',
      `thread "${this.#name}": expected to be open, got a call after close. Start it again.`,
    );
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#worker.ref();
      this.#post({ kind: 'close' });
    }
    return this.#exit;
  }

  #post(request: Request, transfer?: readonly TransferListItem[]): void {
    this.#worker.postMessage(request, transfer);
  }

  #send(call: Extract<Request, { kind: 'call' }>, transfer?: readonly ArrayBuffer[]): void {
    try {
      // A buffer that was transferred before is detached and would arrive empty; left out, it is an error here.
      const buffers = transfer?.filter(({ byteLength }) => byteLength > 0);
      this.#post(call, buffers);
    } catch (cause) {
      this.#settle(call.id)?.reject(unsendable(this.#name, call.method, cause));
      return;
    }
    this.#unanswered++;
    this.#worker.ref();
  }

  #receive(response: Response): void {
    this.#unanswered--;
    if (this.#unanswered === 0 && !this.#isClosing) this.#worker.unref();
    const call = this.#settle(response.id);
    if (response.kind === 'result') call?.resolve(response.result);
    if (response.kind === 'error') {
      const { code, message, retryable } = response.error;
      call?.reject(new TributaryError(code, message, { retryable }));
    }
  }

  #settle(id: number): WaitingCall | undefined {
    const call = this.#waiting.get(id);
    this.#waiting.delete(id);
    call?.ignoreSignal();
    return call;
  }
}

/** Serves an object's methods to the owner of this thread until the owner closes it; then runs `close` and ends the thread. */
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
    // Any number of runs may wait under it.
    setMaxListeners(0, controller.signal);
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

function endedEarly(name: string, cause: unknown): TributaryError {
  const got = cause instanceof Error ? cause.message : 'an early end';
  const text = `thread "${name}": expected to serve until closed, got ${got}. See its output above; free some memory if it was killed.`;
  return new TributaryError('TRIB_THREAD', text, { cause });
}

function canceled(name: string, method: string): TributaryError {
  const text = `thread "${name}" ${method}: expected to finish, got canceled. Start it again if you still want it.`;
  return new TributaryError('TRIB_CANCELLED', text);
}

function unsendable(name: string, method: string, cause: unknown): TributaryError {
  const text = `thread "${name}" ${method}: expected data that can be sent, got "${cause instanceof Error ? cause.message : String(cause)}". Do not reuse buffers that were transferred.`;
  return new TributaryError('TRIB_ENGINE', text, { cause });
}

function toWire(error: unknown): WireError {
  const { code, message, retryable, cause } = asTributaryError(error);
  // A fault of the program is only useful with its stack, which is lost between threads.
  if (code === 'TRIB_INTERNAL' && cause instanceof Error)
    return { code, message: cause.stack ?? cause.message, retryable };
  return { code, message, retryable };
}
