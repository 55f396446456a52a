import { encode } from 'fast-png';
import { TributaryError } from '../../errors.js';

/** 8-bit red, green, blue, row by row. */
export interface Rgb8Image {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 3]`. */
  readonly data: Uint8Array;
}

/**
 * Turns a picture of a diffusion model into bytes: round(255 clamp(x / 2 + 1/2, 0, 1)), in float32 and with ties to
 * even, as DDPO does before it scores a picture (kvablack/ddpo-pytorch, ddpo_pytorch/rewards.py, torch's round). NaN
 * becomes 0.
 *
 * Shapes: `image [3, height, width] float32` in [-1, 1], channels first.
 *
 * Errors: TRIB_INTERNAL when the length is not 3 x height x width.
 */
export function toRgb8(image: Float32Array, height: number, width: number): Rgb8Image {
  const plane = height * width;
  if (image.length !== 3 * plane) {
    throw new TributaryError(
      'TRIB_INTERNAL',
      `toRgb8 image: expected ${3 * plane} values for [3, ${height}, ${width}], got ${image.length}. Pass one picture at a time.`,
    );
  }
  // A clamped array rounds to the nearest, ties to even, and maps NaN to 0: just what is wanted.
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
