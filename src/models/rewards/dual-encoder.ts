/** @file A dual encoder (CLIP's form) as reward: the cosine between a picture and its prompt. */

import { join } from 'node:path';
import { tokenIds } from '../diffusion/prompt-encoder.js';
import type { Tokenizer } from '../diffusion/tokenizer.js';
import type { Engine, Provider } from '../engines/engine.js';
import { compileModelFile } from '../graph/compile-graph.js';
import { float32, float32Data } from '../tensor.js';
import { toUnitLength } from './features.js';

/** Most prompts whose features are kept. */
const FEATURES_KEPT = 1024;

export interface DualEncoder {
  readonly provider: Provider;
  readonly fallbacks: readonly string[];
  /** image_embeds [D] of pictures [3, H, W] in [-1, 1], of length 1, in order. */
  imageFeatures(
    images: readonly Float32Array[],
    imageShape: readonly [number, number, number],
  ): Promise<Float32Array[]>;
  /** text_embeds [D] of a prompt, of length 1. */
  textFeatures(prompt: string): Promise<Float32Array>;
  release(): Promise<void>;
}

/**
 * Opens `vision_model.onnx` (pixel_values -> image_embeds) and `text_model.onnx` (input_ids -> text_embeds) in a folder.
 * Pictures are run `batchSize` at a time; text features are kept by prompt.
 */
export async function openDualEncoder(
  engine: Engine,
  folder: string,
  tokenizer: Tokenizer,
  batchSize: number,
): Promise<DualEncoder> {
  const [visionPath, textPath] = [join(folder, 'vision_model.onnx'), join(folder, 'text_model.onnx')];
  const vision = await compileModelFile(engine, visionPath);
  const text = await compileModelFile(engine, textPath);
  const known = new Map<string, Float32Array>();
  return {
    provider: vision.provider,
    fallbacks: vision.fallbacks,
    async imageFeatures(images, imageShape) {
      const features: Float32Array[] = [];
      for (let start = 0; start < images.length; start += batchSize) {
        const batch = images.slice(start, start + batchSize);
        const pixels = new Float32Array(batch.length * (batch[0]?.length ?? 0));
        for (const [row, image] of batch.entries()) pixels.set(image, row * image.length);
        const feeds = { pixel_values: float32(pixels, [batch.length, ...imageShape]) };
        const outputs = await vision.run(feeds, { transfer: true });
        features.push(...unitRows(float32Data(outputs.image_embeds, 'image_embeds'), batch.length));
      }
      return features;
    },
    async textFeatures(prompt) {
      const found = known.get(prompt);
      if (found) return found;
      const outputs = await text.run({ input_ids: tokenIds(tokenizer.encode(prompt), text.inputs) });
      const [features = new Float32Array()] = unitRows(float32Data(outputs.text_embeds, 'text_embeds'), 1);
      if (known.size >= FEATURES_KEPT) known.clear();
      known.set(prompt, features);
      return features;
    },
    async release() {
      await vision.release();
      await text.release();
    },
  };
}

/** Rows of length 1. Not every export of CLIP divides by the length itself. */
function unitRows(values: Float32Array, rows: number): Float32Array[] {
  const size = values.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    toUnitLength(values.subarray(row * size, (row + 1) * size)),
  );
}
