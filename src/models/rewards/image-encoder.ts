/** @file The vision half of a CLIP: pictures as a user sees them, in 8 bits, to vectors of length 1. */

import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import type { Engine, Executable, Port, Provider } from '../engines/engine.js';
import { processedSize, processImage } from '../images/image-processor.js';
import { toRgb8 } from '../images/png.js';
import { readPreprocessorConfig } from '../images/preprocessor-config.js';
import { inRuns } from './batches.js';
import { readClipHalf } from './clip-folder.js';
import { unitRows } from './features.js';
import { floatInput, floatOutput, requirePorts } from './float-ports.js';

export interface ImageEncoder {
  readonly provider: Provider;
  readonly fallbacks: readonly string[];
  /** image_embeds [D] of pictures [3, H, W] in [-1, 1], of length 1, in order. */
  features(images: readonly Float32Array[]): Promise<Float32Array[]>;
  release(): Promise<void>;
}

/**
 * Opens the vision half of a CLIP in a folder, with the `preprocessor_config.json` beside it.
 *
 * @param batchSize Pictures in one run at most; as many as the graph takes, where that is fixed.
 * @throws TRIB_MODEL where the preprocessor makes pictures of another size than the graph takes, and as its parts do.
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
  const { model, label } = await readClipHalf(folder, 'vision');
  const vision = await engine.compile(model, { label });
  requirePorts(vision, label, { inputs: ['pixel_values'], outputs: ['image_embeds'] });
  const port = portOf(vision, 'pixel_values');
  requireSize(port, [3, size.height, size.width], label, configPath);
  return {
    provider: vision.provider,
    fallbacks: vision.fallbacks,
    features: (images) =>
      inRuns(images, batchSize, port.shape[0], async (batch) => {
        const plane = 3 * size.height * size.width;
        const pixels = new Float32Array(batch.length * plane);
        for (const [row, image] of batch.entries())
          pixels.set(processImage(toRgb8(image, height, width), processor), row * plane);
        const shape = [batch.length, 3, size.height, size.width];
        const outputs = await vision.run({ pixel_values: floatInput(pixels, shape, port, label) });
        return unitRows(floatOutput(outputs, 'image_embeds'), batch.length);
      }),
    release: () => vision.release(),
  };
}

/** An input that `requirePorts` has found. */
export function portOf({ inputs }: Pick<Executable, 'inputs'>, name: string): Port {
  return inputs.find((input) => input.name === name) ?? { name, type: 'float32', shape: [] };
}

/** @throws TRIB_MODEL where a graph fixes an axis of a picture to another size. */
export function requireSize(port: Port, size: readonly number[], label: string, source: string): void {
  const axes = port.shape.slice(1);
  const fits =
    axes.length === size.length &&
    axes.every((axis, index) => typeof axis === 'string' || axis === size[index]);
  if (fits) return;
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} input "${port.name}": expected pictures of [${size.join(', ')}] as ${source} makes them, got a graph for [${axes.join(', ')}]. Use the settings that belong to the model.`,
  );
}
