/** @file The onnxruntime engine, from its owner's side. */

import { startThread } from '../../threads/thread.js';
import type { Engine, EngineOptions } from '../contract/engine.js';
import { compileInThread } from '../contract/engine-service.js';
import type { OnnxRuntimeService } from './engine-thread.js';

/** Starts an onnxruntime engine in its own thread. It runs one graph at a time; start several to run in parallel. */
export function createOnnxRuntimeEngine(options: EngineOptions): Engine {
  const url = new URL('./engine-thread.js', import.meta.url);
  const { call, close } = startThread<OnnxRuntimeService>(url, 'onnxruntime', options);
  return {
    differentiates: false,
    compile: (model, compileOptions) => compileInThread(call, model, compileOptions),
    simplify: (model, label) => call.simplify({ model, label }),
    outputPorts: (model, label) => call.outputPorts({ model, label }),
    close,
  };
}
