/**
 * @file Engine threads side by side. Each has a session of a graph for itself, on one core, and the next run goes to
 * whichever is free: the threads of one session wait for each other after every operator.
 */

import { at } from '../../../at.js';
import { type Client, type ServiceThread, startThread } from '../../threads/thread.js';
import type { EngineOptions, Executable, RunOptions, Tensors } from '../contract/engine.js';
import { compileInThread, type ServiceCompileOptions } from '../contract/engine-service.js';
import type { OnnxRuntimeService } from './engine-thread.js';

/** Runs that a thread has at once: the one that it computes, and the next, so that it need not wait for that. */
const RUNS_PER_SHARD = 2;

/** Runs a job on a shard, by its index. */
type Job = (shard: number) => Promise<unknown>;

/** The threads of an engine, and the runs that wait for one of them. */
export interface Shards {
  /** How many there may be. */
  readonly count: number;
  /** The calls of one; the thread starts with the first. */
  call(shard: number): Client<OnnxRuntimeService>;
  /** Runs that `close` waits for. */
  readonly unfinished: Set<Promise<unknown>>;
  /** Whether `close` was called. */
  isClosing(): boolean;
  /**
   * Runs a job on one of the first `among` shards. Time: at once where one of them is free, otherwise in the order of the
   * calls; an aborted job skips the queue and is refused at once.
   */
  run<Result>(among: number, job: (shard: number) => Promise<Result>, signal?: AbortSignal): Promise<Result>;
  /** Ends the threads once the runs that were asked for have ended. */
  close(): Promise<void>;
}

export function openShards(options: EngineOptions): Shards {
  const count = options.threads;
  const threads = new Map<number, ServiceThread<OnnxRuntimeService>>();
  const unfinished = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  const running = Array.from({ length: count }, () => 0);
  const waiting: { readonly among: number; readonly job: Job }[] = [];

  function start(job: Job, shard: number): void {
    running[shard]! += 1;
    void job(shard).then(() => {
      running[shard]! -= 1;
      startNext();
    });
  }
  function startNext(): void {
    const [next] = waiting;
    if (!next) return;
    const candidates = running.slice(0, next.among);
    const fewest = Math.min(...candidates);
    if (fewest >= RUNS_PER_SHARD) return;
    waiting.shift();
    start(next.job, candidates.indexOf(fewest));
  }

  return {
    count,
    call(shard) {
      const url = new URL('./engine-thread.js', import.meta.url);
      const thread =
        threads.get(shard) ?? startThread<OnnxRuntimeService>(url, `onnxruntime ${shard + 1}`, options);
      threads.set(shard, thread);
      return thread.call;
    },
    run: (among, job, signal) =>
      new Promise((resolve, reject) => {
        const entry = {
          among,
          job: (shard: number) => {
            signal?.removeEventListener('abort', refuse);
            return job(shard).then(resolve, reject);
          },
        };
        const refuse = () => start(at(waiting.splice(waiting.indexOf(entry), 1), 0).job, 0);
        waiting.push(entry);
        signal?.addEventListener('abort', refuse);
        startNext();
      }),
    unfinished,
    isClosing: () => closing !== undefined,
    close() {
      closing ??= Promise.allSettled(unfinished)
        .then(() => Promise.all([...threads.values()].map((thread) => thread.close())))
        .then(() => undefined);
      return closing;
    },
  };
}

/**
 * Compiles a graph on the first shard; the others compile it when they are given their first run of it.
 *
 * Errors: as `Engine.compile`, and from `run` where another shard cannot compile the graph.
 * @param options - with the threads of one session, of which the engine has as many as fit.
 */
export async function compileOnShards(
  shards: Shards,
  model: Uint8Array,
  options: ServiceCompileOptions & { readonly threads: number },
): Promise<Executable> {
  const count = Math.floor(shards.count / options.threads);
  if (count === 1) return compileInThread(shards.call(0), model, options);
  let held: Tensors = {};
  const compile = async (shard: number): Promise<Executable> => {
    const executable = await compileInThread(shards.call(shard), model, options);
    if (Object.keys(held).length > 0) await executable.hold(held);
    return executable;
  };
  const first = await compile(0);
  const compiled = new Map([[0, Promise.resolve(first)]]);
  const on = (shard: number): Promise<Executable> => {
    const known = compiled.get(shard);
    if (known) return known;
    const compiling = compile(shard);
    compiled.set(shard, compiling);
    // It may succeed the next time, with more memory.
    compiling.catch(() => compiled.delete(shard));
    return compiling;
  };
  const onAll = (act: (executable: Executable) => Promise<void>) =>
    Promise.all([...compiled.values()].map(async (executable) => act(await executable)));
  const unfinished = new Set<Promise<Tensors>>();
  let holding = Promise.resolve();
  let isReleased = false;
  return {
    ...first,
    shards: count,
    hold(feeds) {
      // A shard that compiles the graph later needs what was given now, whatever the caller makes of its arrays.
      const given = structuredClone(feeds);
      const before = [holding, ...unfinished];
      const hold = async () => {
        await Promise.allSettled(before);
        held = { ...held, ...given };
        await onAll((executable) => executable.hold(given));
      };
      holding = hold();
      return holding;
    },
    async run(feeds, runOptions: RunOptions = {}) {
      // The thread refuses it.
      if (isReleased || shards.isClosing()) return first.run(feeds, runOptions);
      const job = async (shard: number) => (await on(shard)).run(feeds, runOptions);
      const start = () => shards.run(count, job, runOptions.signal);
      const run = holding.then(start, start);
      unfinished.add(run);
      shards.unfinished.add(run);
      try {
        return await run;
      } finally {
        unfinished.delete(run);
        shards.unfinished.delete(run);
      }
    },
    async release() {
      isReleased = true;
      await Promise.allSettled([holding, ...unfinished]);
      await onAll((executable) => executable.release());
    },
  };
}
