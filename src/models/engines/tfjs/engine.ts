/** @file The TensorFlow.js engine, from its owner's side. */

import { startThread } from '../../threads/thread.js';
import type { Engine, TfjsOptions } from '../contract/engine.js';
import { compileInThread } from '../contract/engine-service.js';
import { createOnnxRuntimeEngine } from '../onnxruntime/engine.js';
import type { TfjsService } from './engine-thread.js';

export interface TfjsEngine extends Engine {
  /** Counts the tensors that the backend holds: weights and held feeds, nothing of finished runs. */
  countTensors(): Promise<number>;
}

/**
 * Starts a TensorFlow.js engine in a thread of its own. It interprets graphs operator by operator, one run at a time, and
 * differentiates them with the library's tape (`gradients: tape`), so that two derivations of every gradient check each
 * other.
 *
 * `simplify` and `outputPorts` concern the model, not what runs it: onnxruntime's CPU library does both, started on demand.
 */
export function createTfjsEngine(options: TfjsOptions): TfjsEngine {
  const thread = startThread<TfjsService>(new URL('./engine-thread.js', import.meta.url), 'tfjs', options);
  let started: Engine | undefined;
  const modelTools = () => {
    started ??= createOnnxRuntimeEngine({ providers: ['cpu'], threads: options.threads });
    return started;
  };
  return {
    differentiates: options.gradients === 'tape',
    splitsBatches: false,
    raises: [],
    compile: (model, compileOptions) =>
      compileInThread(thread.call, model, { ...compileOptions, threads: options.threads }),
    simplify: (model, label) => modelTools().simplify(model, label),
    outputPorts: (model, label) => modelTools().outputPorts(model, label),
    countTensors: () => thread.call.countTensors(undefined),
    async close() {
      await started?.close();
      await thread.close();
    },
  };
}
