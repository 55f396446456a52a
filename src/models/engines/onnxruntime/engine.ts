/** @file The onnxruntime engine, from its owner's side. */

import type { CompileOptions, Engine, EngineOptions } from '../contract/engine.js';
import { ensureRuntime } from './runtime.js';
import { compileOnShards, openShards } from './shards.js';

/** Bytes of weights from which on not every thread gets a copy. */
const LARGE_BYTES = 64 * 2 ** 20;

/** Threads of one session: its own where weights are small enough for a copy each, all where they are mapped or it asks so. */
function threadsOfSession(
  { providers, threads, sessionThreads }: EngineOptions,
  model: Uint8Array,
  { weightsFolder, externalData = new Map(), isLarge = false }: CompileOptions,
): number {
  const bytes = [model, ...externalData.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const isShared = isLarge || weightsFolder !== undefined || bytes >= LARGE_BYTES;
  const fewest = providers[0] === 'cpu' && !isShared ? 1 : threads;
  return Math.min(threads, sessionThreads ?? fewest);
}

/**
 * Starts an onnxruntime engine with threads of its own. On the CPU it runs as many graphs at a time as it has threads, each
 * on one of them; where sessions have several threads, so many fewer. Its threads start when they are first needed.
 *
 * Departure: results do not depend on `threads`, except in the last bits where one session has several.
 */
export function createOnnxRuntimeEngine(options: EngineOptions): Engine {
  const shards = openShards(options);
  const first = () => shards.call(0);
  return {
    differentiates: false,
    splitsBatches: options.providers[0] === 'cpu',
    // Elsewhere a copy for every node that reads a constant would lie on the device.
    raises: options.providers[0] === 'cpu' ? ['float16', 'bfloat16'] : [],
    async compile(model, compileOptions) {
      await ensureRuntime();
      const threads = threadsOfSession(options, model, compileOptions);
      return compileOnShards(shards, model, { ...compileOptions, threads });
    },
    async simplify(model, label) {
      await ensureRuntime();
      return first().simplify({ model, label });
    },
    async outputPorts(model, label) {
      await ensureRuntime();
      return first().outputPorts({ model, label });
    },
    close: () => shards.close(),
  };
}
