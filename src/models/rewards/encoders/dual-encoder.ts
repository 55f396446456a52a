/** @file A dual encoder (CLIP's form) as reward: the cosine between a picture and its prompt. */

import { join } from 'node:path';
import { at } from '../../../at.js';
import type { Engine, Executable } from '../../engines/contract/engine.js';
import type { Tokenizer } from '../../pipeline/tokenizers/tokenizer-contract.js';
import { float32 } from '../../tensor.js';
import type { RewardContext } from '../contract/reward-source.js';
import { inRuns } from './batches.js';
import { openGraph, portOf, requirePorts, requireSize } from './exported-graph.js';
import { featureRows } from './float-ports.js';
import { textFeatures } from './text-features.js';
import { ofPipeline } from './text-tokenizer.js';

interface DualEncoder extends Pick<Executable, 'provider' | 'fallbacks' | 'sessionThreads' | 'release'> {
  /** image_embeds [D] of pictures in [-1, 1], of length 1, in order. */
  imageFeatures(images: readonly Float32Array[]): Promise<Float32Array[]>;
  /** text_embeds [D] of a prompt, of length 1. */
  textFeatures(prompt: string): Promise<Float32Array>;
}

/**
 * Opens `vision_model.onnx` (pixel_values -> image_embeds) and `text_model.onnx` (input_ids -> text_embeds) in a folder.
 * Pictures are run `batchSize` at a time; text features are kept by prompt.
 *
 * Errors: TRIB_MODEL if the graphs have other ports, or take pictures of another size.
 */
export async function openDualEncoder(
  engine: Engine,
  folder: string,
  {
    tokenizer,
    batchSize,
    imageShape,
  }: { readonly tokenizer: Tokenizer; readonly batchSize: number } & Pick<RewardContext, 'imageShape'>,
): Promise<DualEncoder> {
  const [visionPath, textPath] = [join(folder, 'vision_model.onnx'), join(folder, 'text_model.onnx')];
  const vision = await openGraph(engine, visionPath);
  requirePorts(vision, visionPath, { inputs: ['pixel_values'], outputs: ['image_embeds'] });
  requireSize(portOf(vision, 'pixel_values'), imageShape, visionPath, 'the sampler');
  const text = textFeatures(await openGraph(engine, textPath), textPath, ofPipeline(tokenizer));
  return {
    provider: vision.provider,
    fallbacks: vision.fallbacks,
    sessionThreads: vision.sessionThreads,
    imageFeatures: (images) =>
      inRuns(images, batchSize, undefined, async (batch) => {
        const pixels = new Float32Array(batch.length * at(batch, 0).length);
        for (const [row, image] of batch.entries()) pixels.set(image, row * image.length);
        const feeds = { pixel_values: float32(pixels, [batch.length, ...imageShape]) };
        const outputs = await vision.run(feeds, { transfer: true });
        return featureRows(outputs, 'image_embeds', batch.length, visionPath);
      }),
    textFeatures: text.of,
    async release() {
      await vision.release();
      await text.release();
    },
  };
}
