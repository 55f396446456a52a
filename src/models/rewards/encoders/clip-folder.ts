/** @file A CLIP on disk, in the layouts that exporters write. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../../errors.js';

/** The two halves of a CLIP: the file and the output of each. */
const HALVES = {
  vision: { file: 'vision_model.onnx', output: 'image_embeds' },
  text: { file: 'text_model.onnx', output: 'text_embeds' },
} as const;

/**
 * Finds one half of a CLIP: `vision_model.onnx` (pixel_values -> image_embeds) or `text_model.onnx` (input_ids ->
 * text_embeds), or its part of a `model.onnx` that holds both. The files lie in the folder, or in `onnx/` below it.
 * `outputs` are those to compute, if the file has more.
 *
 * Errors: TRIB_FILE if there is neither.
 */
export async function findClipHalf(
  folder: string,
  half: keyof typeof HALVES,
): Promise<{ readonly path: string; readonly outputs?: readonly string[] }> {
  const { file, output } = HALVES[half];
  const folders = ['', 'onnx'].map((below) => join(folder, below));
  for (const path of folders.map((one) => join(one, file))) if (await isThere(path)) return { path };
  for (const path of folders.map((one) => join(one, 'model.onnx'))) {
    // Without `outputs` both halves would run each time.
    if (await isThere(path)) return { path, outputs: [output] };
  }
  throw new TributaryError(
    'TRIB_FILE',
    `${folder}: expected ${file} or model.onnx there or in onnx/, got neither. Export a CLIP as docs/rewards.md says.`,
  );
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
