/** @file Opens the engine that a config names. */

import type { Engine, EngineName, EngineOptions, TfjsOptions } from './contract/engine.js';
import { createOnnxRuntimeEngine } from './onnxruntime/engine.js';
import { createTfjsEngine } from './tfjs/engine.js';

export interface EngineSettings extends EngineOptions {
  readonly engine: EngineName;
  readonly tfjs: Omit<TfjsOptions, 'threads'>;
}

/** Starts an engine. */
export function openEngine({ engine, tfjs, ...options }: EngineSettings): Engine {
  switch (engine) {
    case 'onnxruntime':
      return createOnnxRuntimeEngine(options);
    case 'tfjs':
      return createTfjsEngine({ ...tfjs, threads: options.threads });
    default:
      return engine satisfies never;
  }
}
