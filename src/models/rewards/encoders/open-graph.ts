import { weightsOf } from '../../engines/compile-graph.js';
import type { Engine, Executable } from '../../engines/contract/engine.js';
import { readModelFile } from '../../graph/onnx/model-file.js';
import { subModel } from '../../graph/onnx/sub-model.js';

/**
 * Reads and compiles a model file, or the part of it that some outputs need.
 * @throws TRIB_FILE where it cannot be read; TRIB_MODEL where it lacks such an output; TRIB_ENGINE where it is no graph.
 */
export async function openGraph(
  engine: Engine,
  path: string,
  outputs?: readonly string[],
): Promise<Executable> {
  const file = await readModelFile(path);
  const model = outputs === undefined ? file.bytes : subModel(file.bytes, outputs, path);
  return engine.compile(model, { label: path, ...weightsOf(file) });
}
