/** @file Finding the network of a pipeline's component: exporters put it in different places. */

import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TributaryError } from '../../errors.js';
import type { JsonFile } from '../files/json-file.js';
import { type StandIn, unfinishedAmong } from '../files/stand-in.js';
import { EXPORT, findWeights, type TensorViews, unfinishedFault } from '../networks/component-weights.js';

export interface ComponentFile {
  /** An ONNX graph, a safetensors file, or the index of several. */
  readonly modelPath: string;
  /** What a graph is built from if there are only weights; null beside an ONNX graph. */
  readonly configPath: JsonFile | null;
  /** Where the file holds other networks too: the tensors of this one. */
  readonly views: TensorViews | null;
}

/** Files that are still to be fetched into a folder, as paths relative to it with slashes: they count as present. */
export type Announced = ReadonlySet<string>;
export const NOTHING_ANNOUNCED: Announced = new Set();

/** Where the graph of a component may lie in a pipeline folder, in the order of the search. */
export const graphFileNames = (name: string): readonly string[] => [
  `${name}/model.onnx`,
  `${name}/${name}.onnx`,
  `${name}.onnx`,
];

/**
 * Finds a component, in this order: `<name>/model.onnx`, `<name>/<name>.onnx`, `<name>.onnx`, then safetensors in
 * `<name>/` (see `findWeights`).
 * Errors: TRIB_MODEL if there is none, or only a pickle.
 * @param weightsBase name of the safetensors without the ending.
 */
export async function componentFile(
  path: string,
  name: string,
  weightsBase: string,
  announced: Announced = NOTHING_ANNOUNCED,
): Promise<ComponentFile> {
  for (const file of graphFileNames(name)) {
    const modelPath = join(path, file);
    if (announced.has(file)) return { modelPath, configPath: null, views: null };
    const stats = await stat(modelPath).catch(() => null);
    if (stats?.isFile() && stats.size > 0) return { modelPath, configPath: null, views: null };
    if (stats) {
      const got = stats.isFile() ? 'an empty file' : 'a folder';
      throw new TributaryError('TRIB_MODEL', `${modelPath}: expected an ONNX graph, got ${got}. ${EXPORT}`);
    }
  }
  const prefix = `${name}/`;
  const toCome = [...announced]
    .filter((file) => file.startsWith(prefix))
    .map((file) => file.slice(prefix.length));
  const modelPath = await findWeights(join(path, name), weightsBase, toCome);
  if (modelPath) return { modelPath, configPath: join(path, name, 'config.json'), views: null };
  const unfinished = await unfinishedElsewhere(path, name);
  if (unfinished) throw unfinishedFault(join(path, name, `${weightsBase}.safetensors`), unfinished);
  const text = `${join(path, name, 'model.onnx')}: expected an ONNX graph, or ${weightsBase}.safetensors beside it, got no such file. ${EXPORT}`;
  throw new TributaryError('TRIB_MODEL', text);
}

/**
 * Returns the unfinished download of a component's weights where `hf download` keeps it: in a folder of its own, or in the
 * cache's `blobs`.
 */
async function unfinishedElsewhere(path: string, name: string): Promise<StandIn | null> {
  const namesIn = (folder: string) => readdir(folder).catch((): string[] => []);
  const ownFolder = unfinishedAmong(await namesIn(join(path, '.cache/huggingface/download', name)));
  if (ownFolder || basename(join(path, '..')) !== 'snapshots') return ownFolder;
  return unfinishedAmong(await namesIn(join(path, '../../blobs')));
}
