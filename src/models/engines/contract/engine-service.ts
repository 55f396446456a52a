/** @file What every engine's thread serves: numbered graphs, run one at a time. An engine adds how to open one. */

import { TributaryError } from '../../../errors.js';
import { buffersOf, type Client } from '../../threads/thread.js';
import type { CompileOptions, Executable, GraphDescription, Tensors } from './engine.js';

/** What an engine adds to the options of `Engine.compile`. */
export interface ServiceCompileOptions extends CompileOptions {
  /** Threads of the graph's session; default 1. */
  readonly threads?: number;
}

/** The calls that an engine's thread answers. */
export type EngineService = {
  compile(request: {
    model: Uint8Array;
    options: ServiceCompileOptions;
  }): Promise<GraphDescription & { id: number }>;
  hold(request: { id: number; feeds: Tensors }): Promise<void>;
  run(request: { id: number; feeds: Tensors }, signal: AbortSignal): Promise<Tensors>;
  release(request: { id: number }): Promise<void>;
};

/** A graph in the thread that runs it. */
export interface OpenGraph {
  readonly description: GraphDescription;
  hold(feeds: Tensors): void;
  /** Returns fresh arrays. */
  run(feeds: Tensors): Promise<Tensors>;
  release(): Promise<void>;
}

/** Opens a graph from the arguments of `Engine.compile`. */
export type OpenModel = (model: Uint8Array, options: ServiceCompileOptions) => Promise<OpenGraph>;

/** Returns a service that opens graphs with `open`, and a function that frees all of them. */
export function createEngineService(open: OpenModel): { service: EngineService; close: () => Promise<void> } {
  const graphs = new Map<number, { readonly graph: OpenGraph; readonly label: string }>();
  let nextId = 0;
  // One run at a time: it uses the core of this thread, or all that its session is allowed.
  let queue: Promise<unknown> = Promise.resolve();

  function find(id: number) {
    const found = graphs.get(id);
    if (found) return found;
    const text = `graph ${id}: expected a compiled graph, got one that was released. Compile it again.`;
    throw new TributaryError('TRIB_ENGINE', text);
  }

  const service: EngineService = {
    async compile({ model, options }) {
      const graph = await open(model, options);
      const id = nextId++;
      graphs.set(id, { graph, label: options.label });
      return { id, ...graph.description };
    },
    async hold({ id, feeds }) {
      const { graph } = find(id);
      // Runs that were asked for before see earlier feeds.
      const turn = queue.then(() => graph.hold(feeds));
      queue = turn.catch(() => undefined);
      return turn;
    },
    async run({ id, feeds }, signal) {
      const { graph, label } = find(id);
      const turn = queue.then(async () => {
        // A cancellation that came during the previous run is still in the thread's message queue: let it in.
        await new Promise(setImmediate);
        if (signal.aborted)
          throw new TributaryError(
            'TRIB_CANCELLED',
            `${label}: expected to run, got canceled while waiting. Run it again if you still want it.`,
          );
        return graph.run(feeds);
      });
      queue = turn.catch(() => undefined);
      return turn;
    },
    async release({ id }) {
      const { graph } = find(id);
      graphs.delete(id);
      await queue;
      await graph.release();
    },
  };
  const close = async () => {
    for (const { graph } of graphs.values()) await graph.release();
    graphs.clear();
  };
  return { service, close };
}

/** Compiles a graph in the thread of an engine. */
export async function compileInThread(
  call: Client<EngineService>,
  model: Uint8Array,
  options: ServiceCompileOptions,
): Promise<Executable> {
  const { id, ...description } = await call.compile({ model, options });
  return {
    ...description,
    shards: 1,
    sessionThreads: options.threads ?? 1,
    hold: (feeds) => call.hold({ id, feeds }),
    run: (feeds, { signal, transfer = false } = {}) =>
      call.run({ id, feeds }, { signal, transfer: transfer ? [...buffersOf(feeds)] : [] }),
    release: () => call.release({ id }),
  };
}
