/** @file An executable as its owner sees it: typed calls to the thread of its engine. */

import type { Client } from '../../threads/thread.js';
import { buffersOf } from '../../threads/thread.js';
import type { CompileOptions, Executable, RunOptions, Tensors } from './engine.js';
import type { CompiledGraph, EngineService } from './engine-service.js';

/** Compiles a graph in the thread of an engine. */
export async function compileInThread(
  call: Client<EngineService>,
  model: Uint8Array,
  options: CompileOptions,
): Promise<Executable> {
  const { id, ...description }: CompiledGraph = await call.compile({ model, options });
  return {
    ...description,
    hold: (feeds: Tensors) => call.hold({ id, feeds }),
    run: (feeds: Tensors, { signal, transfer = false }: RunOptions = {}) =>
      call.run({ id, feeds }, { signal, transfer: transfer ? [...buffersOf(feeds)] : [] }),
    release: () => call.release({ id }),
  };
}
