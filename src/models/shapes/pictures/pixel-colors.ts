import { COLORS } from '../prompts/grammar.js';
import { COLOR_VALUES, PICTURE_SIZE, type Rgb } from './scene.js';

const PLANE = PICTURE_SIZE * PICTURE_SIZE;
/** Label of a pixel that differs from the ground but has none of the named colors (white, black, cyan ...). */
const UNNAMED_COLOR = COLORS.length;
/** A pixel is gray when its channels differ by less than this, of at most 2. */
const MAX_GRAY_CHROMA = 0.5;
/** Fewer gray pixels than this do not show the ground. */
const MIN_GRAY_PIXELS = 16;
/** Sine of the widest angle, seen from the ground, between a pixel and the color that names it. */
const MAX_HUE_SINE = 0.55;
/** How far a pixel without a named color must be from the ground to count as part of an object. */
const UNNAMED_DISTANCE = 0.9;

/** What each pixel is made of, by the equation pixel = ground + coverage (color - ground). */
export interface PixelColors {
  /** `[256]`: index into COLORS, or UNNAMED_COLOR. */
  readonly labels: Uint8Array;
  /** `[256]`: coverage in [0, 1] by the labeled color. */
  readonly coverage: Float32Array;
}

/**
 * Decides for each pixel which color it holds and how much of it.
 *
 * The ground is the per-channel median of the gray pixels. A pixel's coverage by a color is the least-squares
 * solution of the equation above; the color with the smallest angle to the pixel, seen from the ground, names it.
 *
 * Shapes: `image [3, 16, 16] float32` in [-1, 1].
 */
export function readPixelColors(image: Float32Array): PixelColors {
  const ground = estimateGround(image);
  const directions = COLORS.map((color) => subtract(COLOR_VALUES[color], ground));
  const squaredLengths = directions.map((direction) => dot(direction, direction));
  const labels = new Uint8Array(PLANE);
  const coverage = new Float32Array(PLANE);
  for (let pixel = 0; pixel < PLANE; pixel++) {
    const offset = subtract([image[pixel]!, image[PLANE + pixel]!, image[2 * PLANE + pixel]!], ground);
    const squaredOffset = dot(offset, offset);
    let bestColor = 0;
    let bestCosine = Number.NEGATIVE_INFINITY;
    let bestCoverage = 0;
    for (let color = 0; color < directions.length; color++) {
      const projection = dot(offset, directions[color]!);
      const cosine = projection / Math.sqrt(squaredOffset * squaredLengths[color]! + 1e-12);
      if (cosine <= bestCosine) continue;
      [bestColor, bestCosine, bestCoverage] = [color, cosine, projection / squaredLengths[color]!];
    }
    const isNamed = bestCosine > 0 && 1 - bestCosine ** 2 <= MAX_HUE_SINE ** 2;
    const isFar = squaredOffset > UNNAMED_DISTANCE ** 2;
    labels[pixel] = isFar && !isNamed ? UNNAMED_COLOR : bestColor;
    coverage[pixel] = isFar && !isNamed ? 1 : Math.max(0, Math.min(1, bestCoverage));
  }
  return { labels, coverage };
}

function estimateGround(image: Float32Array): Rgb {
  const grayPixels: number[] = [];
  for (let pixel = 0; pixel < PLANE; pixel++) {
    const red = image[pixel]!;
    const green = image[PLANE + pixel]!;
    const blue = image[2 * PLANE + pixel]!;
    if (Math.max(red, green, blue) - Math.min(red, green, blue) < MAX_GRAY_CHROMA) grayPixels.push(pixel);
  }
  const pixels =
    grayPixels.length >= MIN_GRAY_PIXELS ? grayPixels : Array.from({ length: PLANE }, (_, i) => i);
  const channel = (index: number) =>
    median(Float32Array.from(pixels, (pixel) => image[index * PLANE + pixel]!));
  return [channel(0), channel(1), channel(2)];
}

function median(values: Float32Array): number {
  return values.sort()[values.length >> 1]!;
}

function subtract(a: Rgb, b: Rgb): Rgb {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function dot(a: Rgb, b: Rgb): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
