/** @file Prepares a picture for a vision model, as Hugging Face's CLIPImageProcessor does. */

import { TributaryError } from '../../errors.js';
import type { Rgb8Image } from './picture.js';
import { type ResampleFilter, resample } from './resample.js';

interface PixelSize {
  readonly height: number;
  readonly width: number;
}

export interface ImageProcessor {
  /** New length of the shorter side, with the longer one in proportion; or both sides; null keeps the size. */
  readonly resize: number | PixelSize | null;
  readonly filter: ResampleFilter;
  /** Size of the center crop; null keeps everything. */
  readonly crop: PixelSize | null;
  /** Factor applied to the 8-bit values before normalization: 1 / 255. */
  readonly rescale: number;
  /** Normalization by channel: x -> (x - mean) / std. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** CLIP's statistics of red, green and blue, in [0, 1]. */
export const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
export const CLIP_STD = [0.26862954, 0.26130258, 0.27577711] as const;

/** Returns the size of the result for pictures of a size. Errors: TRIB_MODEL if the crop is larger than the picture. */
export function processedSize({ resize, crop }: ImageProcessor, size: PixelSize): PixelSize {
  const resized = resizedSize(resize, size);
  if (crop === null) return resized;
  if (crop.height <= resized.height && crop.width <= resized.width) return crop;
  const text = `image processor: expected pictures of at least ${crop.height} x ${crop.width} pixels to crop from, got ${resized.height} x ${resized.width}. Resize to the size of the crop.`;
  throw new TributaryError('TRIB_MODEL', text);
}

/** Returns the pixel values `[3, height, width] float32` of a picture. */
export function processImage(image: Rgb8Image, processor: ImageProcessor): Float32Array {
  const { height, width } = processedSize(processor, image);
  const size = resizedSize(processor.resize, image);
  const resized = resample(image, size.height, size.width, processor.filter);
  const top = Math.floor((size.height - height) / 2);
  const left = Math.floor((size.width - width) / 2);
  const values = new Float32Array(3 * height * width);
  for (let channel = 0; channel < 3; channel++) {
    const [mean, std] = [processor.mean[channel]!, processor.std[channel]!];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const level = resized.data[((top + y) * size.width + left + x) * 3 + channel]!;
        values[(channel * height + y) * width + x] = (level * processor.rescale - mean) / std;
      }
    }
  }
  return values;
}

function resizedSize(resize: ImageProcessor['resize'], { height, width }: PixelSize): PixelSize {
  if (resize === null) return { height, width };
  if (typeof resize !== 'number') return resize;
  const longer = (side: number, shorter: number) => Math.trunc((resize * side) / shorter);
  return height <= width
    ? { height: resize, width: longer(width, height) }
    : { height: longer(height, width), width: resize };
}
