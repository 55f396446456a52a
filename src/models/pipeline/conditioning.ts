/** @file The inputs that say which pictures are wanted: the prompts, and for SDXL the sizes of the picture. */

import type { ConditioningInput } from '../networks/denoiser-family.js';
import { elementCount, float32, type Tensor } from '../tensor.js';

/** The inputs of a run from the prompt embeddings of its rows, one array for each row as `Pipeline.embedPrompt` gives it. */
export type Conditioning = (promptEmbeds: readonly Float32Array[]) => Readonly<Record<string, Tensor>>;

/**
 * Returns the splitter of prompt embeddings: every input with one row for each of the R embeddings. For the UNet
 * `encoder_hidden_states` [R, tokens, width], and for SDXL `text_embeds` [R, P] and `time_ids` [R, 6].
 *
 * @param pictureSize height and width in pixels.
 */
export function createConditioning(
  inputs: Readonly<Record<string, ConditioningInput>>,
  embedsShape: readonly [tokens: number, width: number],
  pictureSize: readonly number[],
): Conditioning {
  const size = elementCount(embedsShape);
  // The picture is neither scaled nor cropped: original size, crop at (0, 0), target size.
  const pictureSizes = Float32Array.from([...pictureSize, 0, 0, ...pictureSize]);
  const rowOf = {
    tokens: (embeds: Float32Array) => embeds.subarray(0, size),
    pooled: (embeds: Float32Array) => embeds.subarray(size),
    'picture-sizes': () => pictureSizes,
  };
  return (promptEmbeds) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, from }]) => [
        name,
        stack(promptEmbeds.map(rowOf[from]), shape),
      ]),
    );
}

function stack(rows: readonly Float32Array[], shape: readonly number[]): Tensor<'float32'> {
  const size = elementCount(shape);
  const data = new Float32Array(rows.length * size);
  for (const [row, values] of rows.entries()) data.set(values, row * size);
  return float32(data, [rows.length, ...shape]);
}
