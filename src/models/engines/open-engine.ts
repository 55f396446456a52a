/** @file The engines by name, as a config chooses them. */

import type { Engine, EngineName, EngineOptions, TfjsOptions } from './contract/engine.js';
import { createOnnxRuntimeEngine } from './onnxruntime/engine.js';
import { createTfjsEngine } from './tfjs/engine.js';

export interface EngineSettings extends EngineOptions {
  readonly engine: EngineName;
  readonly tfjs: Omit<TfjsOptions, 'threads'>;
}

/** Starts the engine of the settings. */
export function openEngine({ engine, providers, threads, tfjs }: EngineSettings): Engine {
  switch (engine) {
    case 'onnxruntime':
      return createOnnxRuntimeEngine({ providers, threads });
    case 'tfjs':
      return createTfjsEngine({ ...tfjs, threads });
    default:
      return engine satisfies never;
  }
}
