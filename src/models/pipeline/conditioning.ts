/** @file What the denoiser is told beside latents and timestep: prompts, and for SDXL the sizes of the picture. */

import type { AddedEmbeddings } from '../networks/unet-config.js';
import { elementCount, float32, type Tensor } from '../tensor.js';

/** The inputs of a run from the prompt embeddings of its rows, one array a row as `Pipeline.embedPrompt` gives it. */
export type Conditioning = (promptEmbeds: readonly Float32Array[]) => Readonly<Record<string, Tensor>>;

/**
 * Returns the splitter of prompt embeddings: `encoder_hidden_states` [R, tokens, width], and with added embeddings
 * `text_embeds` [R, P] and `time_ids` [R, 6].
 * @param pictureSize height and width in pixels.
 */
export function createConditioning(
  embedsShape: readonly [tokens: number, width: number],
  added: AddedEmbeddings | null,
  pictureSize: readonly number[],
): Conditioning {
  const size = elementCount(embedsShape);
  // The picture is neither scaled nor cropped: original size, crop at (0, 0), target size.
  const timeIds = Float32Array.from([...pictureSize, 0, 0, ...pictureSize]);
  return (promptEmbeds) => {
    const tokens = promptEmbeds.map((embeds) => embeds.subarray(0, size));
    if (!added) return { encoder_hidden_states: stacked(tokens, embedsShape) };
    const pooled = promptEmbeds.map((embeds) => embeds.subarray(size));
    const times = promptEmbeds.map(() => timeIds);
    return {
      encoder_hidden_states: stacked(tokens, embedsShape),
      text_embeds: stacked(pooled, [added.textEmbedsWidth]),
      time_ids: stacked(times, [added.numTimeIds]),
    };
  };
}

function stacked(rows: readonly Float32Array[], shape: readonly number[]): Tensor<'float32'> {
  const size = elementCount(shape);
  const data = new Float32Array(rows.length * size);
  for (const [row, values] of rows.entries()) data.set(values, row * size);
  return float32(data, [rows.length, ...shape]);
}
