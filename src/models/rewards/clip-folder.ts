/** @file A CLIP on disk, in the layouts that exporters write. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { readModel } from '../diffusion/pipeline.js';
import { subModel } from '../graph/sub-model.js';

/** The two halves of a CLIP: the file of each, and what it is asked for. */
const HALVES = {
  vision: { file: 'vision_model.onnx', output: 'image_embeds' },
  text: { file: 'text_model.onnx', output: 'text_embeds' },
} as const;

export interface ModelBytes {
  readonly model: Uint8Array;
  /** For messages: its path. */
  readonly label: string;
}

/**
 * Reads one half of a CLIP: `vision_model.onnx` (pixel_values -> image_embeds) or `text_model.onnx` (input_ids ->
 * text_embeds), or its part of a `model.onnx` that holds both. The files lie in the folder, or in `onnx/` below it.
 *
 * @throws TRIB_FILE where there is neither; TRIB_MODEL where a model.onnx does not have the output.
 */
export async function readClipHalf(folder: string, half: keyof typeof HALVES): Promise<ModelBytes> {
  const { file, output } = HALVES[half];
  const paths = ['', 'onnx'].map((below) => join(folder, below));
  for (const path of paths) {
    const label = join(path, file);
    if (await isThere(label)) return { model: await readModel(label), label };
  }
  for (const path of paths) {
    const label = join(path, 'model.onnx');
    if (!(await isThere(label))) continue;
    // Whole, it would run both halves each time.
    return { model: subModel(await readModel(label), [output], label), label };
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
