/** @file The TensorFlow.js engine as its owner sees it. */

import { startThread } from '../../threads/thread.js';
import type { Engine, TfjsOptions } from '../contract/engine.js';
import { compileInThread } from '../contract/engine-service.js';
import { createOnnxRuntimeEngine } from '../onnxruntime/engine.js';
import type { TfjsService } from './engine-thread.js';

export interface TfjsEngine extends Engine {
  /** Tensors that the backend holds: weights, held feeds, and nothing of the runs that are over. */
  countTensors(): Promise<number>;
}

/**
 * Starts a TensorFlow.js engine in a thread of its own: it interprets graphs operator by operator, and differentiates them
 * by the library's tape (`gradients: tape`), so that two derivations of every gradient check each other. Runs go one after
 * another.
 *
 * Constants are folded and shapes inferred by onnxruntime's CPU library, which is started where that is asked for: both
 * concern the model and not what runs it.
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
    compile: (model, compileOptions) => compileInThread(thread.call, model, compileOptions),
    simplify: (model, label) => modelTools().simplify(model, label),
    outputPorts: (model, label) => modelTools().outputPorts(model, label),
    countTensors: () => thread.call.countTensors(undefined),
    async close() {
      await started?.close();
      await thread.close();
    },
  };
}
