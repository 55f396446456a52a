/** @file What can be said of a picture without a model. A policy that games its reward often shows here first. */

import { jpegSize, type Rgb8Image } from './picture.js';

/** In the order of reports. */
export const PICTURE_STATISTICS = ['edgeDensity', 'colorEntropy', 'brightness', 'jpegKilobytes'] as const;

export type PictureStatistics = Readonly<Record<(typeof PICTURE_STATISTICS)[number], number>>;

/** Quality of DDPO's compressibility. */
const JPEG_QUALITY = 95;
/** Levels of a channel that count as one color: the upper 3 bits. */
const COLOR_BITS = 3;
/** Of the luma a pixel. A step of a tenth between two flat areas is an edge. */
const EDGE_SLOPE = 0.05;

/**
 * Measures a picture of 8 bits a channel:
 *
 *     brightness     mean luma Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), in [0, 1]
 *     edgeDensity    share of the inner pixels where |grad Y| > 0.05 a pixel, by Sobel's kernels over 8; in [0, 1]
 *     colorEntropy   -Σ p log2 p over 512 colors, the upper 3 bits of each channel; in bits, [0, 9]
 *     jpegKilobytes  bytes of the JPEG of quality 95 over 1000, as DDPO's compressibility counts them
 *
 * A picture without inner pixels has no edges.
 */
export async function pictureStatistics(picture: Rgb8Image): Promise<PictureStatistics> {
  const luma = lumaOf(picture);
  return {
    edgeDensity: edgeDensity(luma, picture),
    colorEntropy: colorEntropy(picture),
    brightness: luma.reduce((sum, value) => sum + value, 0) / luma.length,
    jpegKilobytes: (await jpegSize(picture, JPEG_QUALITY)) / 1000,
  };
}

function lumaOf({ data, width, height }: Rgb8Image): Float64Array {
  const luma = new Float64Array(width * height);
  for (let pixel = 0; pixel < luma.length; pixel++)
    luma[pixel] =
      (0.299 * data[3 * pixel]! + 0.587 * data[3 * pixel + 1]! + 0.114 * data[3 * pixel + 2]!) / 255;
  return luma;
}

function edgeDensity(luma: Float64Array, { width, height }: Rgb8Image): number {
  const inner = Math.max(0, width - 2) * Math.max(0, height - 2);
  let edges = 0;
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = (dx: number, dy: number) => luma[(y + dy) * width + x + dx]!;
      const right = at(1, -1) + 2 * at(1, 0) + at(1, 1) - at(-1, -1) - 2 * at(-1, 0) - at(-1, 1);
      const down = at(-1, 1) + 2 * at(0, 1) + at(1, 1) - at(-1, -1) - 2 * at(0, -1) - at(1, -1);
      if (Math.hypot(right, down) / 8 > EDGE_SLOPE) edges += 1;
    }
  }
  return inner === 0 ? 0 : edges / inner;
}

function colorEntropy({ data }: Rgb8Image): number {
  const counts = new Uint32Array(2 ** (3 * COLOR_BITS));
  const dropped = 8 - COLOR_BITS;
  for (let i = 0; i < data.length; i += 3) {
    const [red, green, blue] = [data[i]! >> dropped, data[i + 1]! >> dropped, data[i + 2]! >> dropped];
    counts[(red << (2 * COLOR_BITS)) | (green << COLOR_BITS) | blue]! += 1;
  }
  const pixels = data.length / 3;
  let entropy = 0;
  for (const count of counts) if (count > 0) entropy -= (count / pixels) * Math.log2(count / pixels);
  return entropy;
}
