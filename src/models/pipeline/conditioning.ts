/** @file The inputs that say which pictures are wanted: the prompts, for SDXL the sizes of the picture, for LCM the guidance. */

import { guidanceEmbedding } from '../diffusion/guidance-embedding.js';
import type { ConditioningInput } from '../networks/denoiser-family.js';
import { elementCount, float32, type Tensor } from '../tensor.js';

/** The inputs of a run from the prompt embeddings of its rows, one array for each row as `Pipeline.embedPrompt` gives it. */
export type Conditioning = (
  promptEmbeds: readonly Float32Array[],
  guidanceScale: number,
) => Readonly<Record<string, Tensor>>;

/**
 * Returns the splitter of prompt embeddings: every input with one row for each of the R embeddings. For the UNet
 * `encoder_hidden_states` [R, tokens, width], for SDXL `text_embeds` [R, P] and `time_ids` [R, 6], and for LCM
 * `timestep_cond` [R, G].
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
  return (promptEmbeds, guidanceScale) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, from }]) => {
        const row =
          from === 'guidance-scale'
            ? () => guidanceEmbedding(guidanceScale, elementCount(shape))
            : rowOf[from];
        return [name, stack(promptEmbeds.map(row), shape)];
      }),
    );
}

function stack(rows: readonly Float32Array[], shape: readonly number[]): Tensor<'float32'> {
  const size = elementCount(shape);
  const data = new Float32Array(rows.length * size);
  for (const [row, values] of rows.entries()) data.set(values, row * size);
  return float32(data, [rows.length, ...shape]);
}
