/**
 * @file What `import ... from 'tributary-rl/autodiff'` gives: gradients of ONNX graphs, derived as ONNX graphs
 * (docs/autodiff.md).
 */

import type { OnnxRuntimeProvider } from '../../models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../models/engines/onnxruntime/engine.js';
import { prepareGraph } from '../../models/engines/prepare-graph.js';
import { readModelFile } from '../../models/graph/onnx/model-file.js';
import { Model } from './model.js';

export { TributaryError } from '../../errors.js';
export type { Tensors } from '../../models/engines/contract/engine.js';
export type { Value } from '../../models/graph/graph.js';
export { concat, type Expression } from '../../models/graph/ops/expression.js';
export { type ElementType, float32, float32Data, int64, type Tensor } from '../../models/tensor.js';
export type { GradientsWanted, LoraWanted, LossGraph, Model, Program } from './model.js';

export interface AutodiffOptions {
  /** Where onnxruntime runs graphs, in order of preference. Default: the CPU. */
  readonly providers?: readonly OnnxRuntimeProvider[];
  /** Threads that compute. Default 1. */
  readonly threads?: number;
}

/** An open runtime. */
export interface Autodiff {
  /**
   * Loads an ONNX model: the path of its file, with the weights beside it, or its bytes.
   *
   * @param sizes the shape of every input that has open axes, such as `{ x: [32, 2] }`: gradients are derived from shapes.
   *
   * Errors: TRIB_FILE if the file cannot be read; TRIB_MODEL if it is no whole model, a size is missing or does not fit,
   * or a shape depends on data.
   */
  load(model: string | Uint8Array, sizes?: Readonly<Record<string, readonly number[]>>): Promise<Model>;
  /** Lets what runs finish and ends the threads. */
  close(): Promise<void>;
}

/** Starts a runtime. Its threads start when they are first needed, and do not keep the process alive while idle. */
export function openAutodiff({ providers = ['cpu'], threads = 1 }: AutodiffOptions = {}): Autodiff {
  const engine = createOnnxRuntimeEngine({ providers, threads });
  return {
    async load(model, sizes = {}) {
      const label = typeof model === 'string' ? model : 'model';
      const { bytes, ...weights } =
        typeof model === 'string' ? await readModelFile(model) : { bytes: model, externalData: new Map() };
      const graph = await prepareGraph(engine, bytes, { label, inputShapes: sizes, ...weights });
      return new Model(engine, graph, label);
    },
    close: () => engine.close(),
  };
}
