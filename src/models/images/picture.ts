/** @file Pictures: from a diffusion model (`[3, height, width] float32` in [-1, 1]), in 8 bits, as PNG and as JPEG. */

import { encode } from 'fast-png';
import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';

/** 8-bit red, green, blue, row by row. */
export interface Rgb8Image {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 3]`. */
  readonly data: Uint8Array;
}

/**
 * Converts a picture of a diffusion model to 8 bits: round(255 clamp(x / 2 + 1/2, 0, 1)), in float32 and with ties to
 * even, as DDPO does before it scores a picture (kvablack/ddpo-pytorch, ddpo_pytorch/rewards.py, torch's round). NaN
 * becomes 0.
 *
 * Shapes: `image [3, height, width] float32` in [-1, 1], channels first.
 *
 * Errors: TRIB_INTERNAL if the length is not 3 x height x width.
 */
export function toRgb8(image: Float32Array, height: number, width: number): Rgb8Image {
  const plane = height * width;
  if (image.length !== 3 * plane) {
    const text = `toRgb8 image: expected ${3 * plane} values for [3, ${height}, ${width}], got ${image.length}. Pass one picture at a time.`;
    throw new TributaryError('TRIB_INTERNAL', text);
  }
  // A clamped array rounds to nearest, ties to even, and maps NaN to 0.
  const data = new Uint8ClampedArray(3 * plane);
  for (let pixel = 0; pixel < plane; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const unit = Math.fround(image[channel * plane + pixel]! * 0.5 + 0.5);
      data[pixel * 3 + channel] = Math.fround(unit * 255);
    }
  }
  return { width, height, data: new Uint8Array(data.buffer) };
}

/** Encodes an image as PNG, 8 bits a channel. */
export function encodePng({ width, height, data }: Rgb8Image): Uint8Array {
  return encode({ width, height, data, channels: 3, depth: 8 });
}

/** Pillow writes a JFIF header; libvips does not. */
const JFIF_HEADER_BYTES = 18;

/**
 * Returns how many bytes Pillow's `save(format="JPEG", quality=quality)` would write: baseline, chroma at half resolution,
 * standard Huffman tables, JFIF header. Exact to the byte (test/fixtures/jpeg-sizes.json).
 *
 * @param quality 1 to 100.
 */
export async function jpegSize({ width, height, data }: Rgb8Image, quality: number): Promise<number> {
  // A native library, loaded only by runs that use it.
  const { default: sharp } = await import('sharp');
  const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: '4:2:0', progressive: false, optimizeCoding: false })
    .toBuffer();
  return bytes.length + JFIF_HEADER_BYTES;
}

/**
 * Returns the root mean square difference between two lists of pictures: √(Σ (a - b)² / n) over all pixel values.
 *
 * Shapes: lists of equal length; pictures at the same index have the same length.
 * Units: those of the pictures; 0 if the lists are equal bit for bit, or empty.
 */
export function pictureDifference(
  pictures: readonly Float32Array[],
  others: readonly Float32Array[],
): number {
  let squares = 0;
  let count = 0;
  for (const [index, picture] of pictures.entries()) {
    const other = at(others, index);
    for (let pixel = 0; pixel < picture.length; pixel++) {
      const difference = picture[pixel]! - other[pixel]!;
      squares += difference * difference;
    }
    count += picture.length;
  }
  return count === 0 ? 0 : Math.sqrt(squares / count);
}
