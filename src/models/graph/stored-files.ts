/** @file Where the files of constants on disk lie, as runtimes look for them: in one folder, and behind no link. */

import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import type { StoredTensor } from './graph.js';

export type FilePlace = Pick<StoredTensor, 'folder' | 'location'>;

/**
 * Returns the place of a file that may be a link, as in the cache of the Hugging Face hub: onnxruntime refuses links that
 * lead out of the folder (microsoft/onnxruntime#27353).
 *
 * Errors: those of `realpath`.
 */
export async function realPlace(path: string): Promise<FilePlace> {
  const real = await realpath(path);
  return { folder: dirname(real), location: basename(real) };
}

/** Returns the deepest folder that holds all files; undefined where there are none. */
export function commonFolder(places: Iterable<FilePlace>): string | undefined {
  let common: string[] | undefined;
  for (const { folder } of places) {
    const parts = folder.split(sep);
    const first = common ?? parts;
    const end = first.findIndex((part, index) => part !== parts[index]);
    common = end < 0 ? first : first.slice(0, end);
  }
  return common && (common.join(sep) || sep);
}

/** Returns the path of a file from a folder that holds it. */
export const locationIn = (common: string, { folder, location }: FilePlace): string =>
  relative(common, join(folder, location));
