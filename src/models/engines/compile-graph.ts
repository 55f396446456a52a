/** @file Compiles graphs and model files: from a description to something that runs. */

import type { Graph } from '../graph/graph.js';
import { type EncodeOptions, encodeGraphApart } from '../graph/onnx/encode.js';
import { type ModelFile, readModelFile } from '../graph/onnx/model-file.js';
import { areRaised } from '../graph/onnx/raised-weights.js';
import type { CompileOptions, Engine, Executable } from './contract/engine.js';

/**
 * Compiles a graph. Its large weights go to the engine beside the model, so that a graph of any size fits; those in shared
 * memory are not copied, and those on disk are mapped.
 *
 * Errors: as `Engine.compile`.
 */
export function compileGraph(
  engine: Engine,
  graph: Graph,
  { symbolicAxes, ...options }: Omit<CompileOptions, OutsideWeights> & EncodeOptions,
): Promise<Executable> {
  const { model, ...weights } = encodeGraphApart(graph, symbolicAxes ? { symbolicAxes } : {});
  return engine.compile(model, { ...options, ...weights });
}

/** Compiles a model file as it is. Errors: as `readModelFile` and `Engine.compile`. */
export async function compileModelFile(engine: Engine, path: string): Promise<Executable> {
  const file = await readModelFile(path);
  return engine.compile(file.bytes, { label: path, ...weightsOf(file) });
}

type OutsideWeights = 'externalData' | 'weightsFolder' | 'raisesWeights';

/** Returns the weights of a model file in the form that an engine takes. */
export function weightsOf(file: ModelFile): Pick<CompileOptions, OutsideWeights> {
  const { externalData, stored } = file;
  const [first] = stored.values();
  return {
    externalData,
    raisesWeights: areRaised(stored),
    ...(first ? { weightsFolder: first.folder } : {}),
  };
}
