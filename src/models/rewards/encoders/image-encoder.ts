/** @file The vision half of a CLIP: pictures as a user sees them, in 8 bits, to vectors of length 1. */

import { join } from 'node:path';
import type { Engine, Executable, Port } from '../../engines/contract/engine.js';
import { processedSize, processImage } from '../../images/image-processor.js';
import { toRgb8 } from '../../images/picture.js';
import { readPreprocessorConfig } from '../../images/preprocessor-config.js';
import { inRuns } from './batches.js';
import { findClipHalf } from './clip-folder.js';
import { openGraph, portNamed, requireKnownInputs, requireSize } from './exported-graph.js';
import { featureRows, floatInput } from './float-ports.js';

interface ImageEncoder extends Pick<Executable, 'provider' | 'fallbacks' | 'sessionThreads' | 'release'> {
  /** The file of its graph. */
  readonly label: string;
  /** The output with the features. */
  readonly output: Port;
  /** image_embeds [D] of pictures [3, H, W] in [-1, 1], of length 1, in order. */
  features(images: readonly Float32Array[]): Promise<Float32Array[]>;
}

/**
 * Opens the vision half of a CLIP in a folder, with the `preprocessor_config.json` beside it: pixel_values -> image_embeds, or
 * one input and one output of other names.
 *
 * A run has at most `batchSize` pictures, or as many as the graph takes if that is fixed.
 *
 * Errors: those of its parts; TRIB_MODEL if the preprocessor makes pictures of another size than the graph takes.
 */
export async function openImageEncoder(
  engine: Engine,
  folder: string,
  batchSize: number,
  [, height, width]: readonly [number, number, number],
): Promise<ImageEncoder> {
  const configPath = join(folder, 'preprocessor_config.json');
  const processor = await readPreprocessorConfig(configPath);
  const size = processedSize(processor, { height, width });
  const { path: label, outputs } = await findClipHalf(folder, 'vision');
  const vision = await openGraph(engine, label, outputs);
  const port = portNamed(vision, label, 'inputs', 'pixel_values');
  const output = portNamed(vision, label, 'outputs', 'image_embeds');
  requireKnownInputs(vision, label, [port.name]);
  requireSize(port, [3, size.height, size.width], label, configPath);
  return {
    provider: vision.provider,
    fallbacks: vision.fallbacks,
    sessionThreads: vision.sessionThreads,
    label,
    output,
    features: (images) =>
      inRuns(images, batchSize, port.shape[0], async (batch) => {
        const plane = 3 * size.height * size.width;
        const pixels = new Float32Array(batch.length * plane);
        for (const [row, image] of batch.entries())
          pixels.set(processImage(toRgb8(image, height, width), processor), row * plane);
        const shape = [batch.length, 3, size.height, size.width];
        const outputs = await vision.run({ [port.name]: floatInput(pixels, shape, port, label) });
        return featureRows(outputs, output.name, batch.length, label);
      }),
    release: () => vision.release(),
  };
}
