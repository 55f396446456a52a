/** @file The onnxruntime engine as its owner sees it: typed calls to a thread. */

import type { CompileOptions, Engine, EngineOptions, Executable, RunOptions, Tensors } from '../engine.js';
import type { ServiceThread } from '../thread.js';
import { buffersOf, startThread } from '../thread.js';
import type { CompiledGraph, EngineService } from './engine-thread.js';

/**
 * Starts an onnxruntime engine in a thread of its own. Runs of one engine go one after another; start several engines to
 * run graphs side by side.
 */
export function createOnnxRuntimeEngine(options: EngineOptions): Engine {
  const thread = startThread<EngineService>(
    new URL('./engine-thread.js', import.meta.url),
    'onnxruntime',
    options,
  );
  return {
    compile: async (model: Uint8Array, compileOptions: CompileOptions) =>
      executable(thread, await thread.call.compile({ model, options: compileOptions })),
    simplify: (model: Uint8Array, label: string) => thread.call.simplify({ model, label }),
    close: () => thread.close(),
  };
}

function executable({ call }: ServiceThread<EngineService>, { id, ...compiled }: CompiledGraph): Executable {
  return {
    ...compiled,
    hold: (feeds: Tensors) => call.hold({ id, feeds }),
    run: (feeds: Tensors, { signal, transfer = false }: RunOptions = {}) =>
      call.run({ id, feeds }, { signal, transfer: transfer ? [...buffersOf(feeds)] : [] }),
    release: () => call.release({ id }),
  };
}
