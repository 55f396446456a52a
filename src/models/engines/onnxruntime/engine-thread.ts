/** @file The thread that holds onnxruntime's sessions. Its native calls block, which is why they live here. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { TributaryError } from '../../../errors.js';
import type { CompileOptions, EngineOptions, Port, Provider, Tensors } from '../engine.js';
import { serveThread } from '../thread.js';
import type { OpenSession } from './session.js';
import { openSession, ports, runSession } from './session.js';

export interface CompiledGraph {
  readonly id: number;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly provider: Provider;
  readonly fallbacks: readonly string[];
}

/** The calls that the engine's thread answers. */
export interface EngineService {
  compile(request: { model: Uint8Array; options: CompileOptions }): Promise<CompiledGraph>;
  simplify(request: { model: Uint8Array; label: string }): Promise<Uint8Array>;
  hold(request: { id: number; feeds: Tensors }): Promise<void>;
  run(request: { id: number; feeds: Tensors }, signal: AbortSignal): Promise<Tensors>;
  release(request: { id: number }): Promise<void>;
}

const options = workerData as EngineOptions;
const onTheCpu: EngineOptions = { ...options, providers: ['cpu'] };
const graphs = new Map<number, { open: OpenSession; held: Tensors; label: string }>();
let nextId = 0;
// One run at a time: a session already uses all the threads it may.
let queue: Promise<unknown> = Promise.resolve();

function graph(id: number) {
  const found = graphs.get(id);
  if (found) return found;
  throw new TributaryError(
    'TRIB_ENGINE',
    `graph ${id}: expected a compiled graph, got one that was released. Compile it again.`,
  );
}

const service: EngineService = {
  async compile({ model, options: { optimization = 'all', onCpu = false, ...compileOptions } }) {
    const { label } = compileOptions;
    const engine = onCpu ? onTheCpu : options;
    const open = await openSession(model, engine, { ...compileOptions, optimization });
    const id = nextId++;
    graphs.set(id, { open, held: {}, label });
    const { provider, fallbacks, session } = open;
    return {
      id,
      provider,
      fallbacks,
      inputs: ports(session.inputMetadata),
      outputs: ports(session.outputMetadata),
    };
  },
  async simplify({ model, label }) {
    const folder = await mkdtemp(join(tmpdir(), 'tributary-simplify-'));
    try {
      const path = join(folder, 'model.onnx');
      const { session } = await openSession(model, onTheCpu, {
        optimization: 'basic',
        label,
        optimizedModelPath: path,
      });
      await session.release();
      return new Uint8Array(await readFile(path));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  async hold({ id, feeds }) {
    const entry = graph(id);
    entry.held = { ...entry.held, ...feeds };
  },
  async run({ id, feeds }, signal) {
    const { open, held, label } = graph(id);
    const turn = queue.then(async () => {
      // A cancellation that came during the run before this one is still among the thread's messages: let it in.
      await new Promise(setImmediate);
      if (signal.aborted)
        throw new TributaryError(
          'TRIB_CANCELLED',
          `${label}: expected to run, got cancelled while waiting. Run it again if it is still wanted.`,
        );
      return runSession(open, { ...held, ...feeds }, label);
    });
    queue = turn.catch(() => undefined);
    return turn;
  },
  async release({ id }) {
    const { open } = graph(id);
    graphs.delete(id);
    await queue;
    await open.session.release();
  },
};

serveThread(service, async () => {
  for (const { open } of graphs.values()) await open.session.release();
  graphs.clear();
});
