/** @file Small pictures of one size on one PNG, for pages that show each by itself. */

import { rgbGrid } from './image-grid.js';
import { encodePng, toRgb8 } from './picture.js';
import { resample } from './resample.js';

/** Where the pictures of a sheet are: picture i is in column i mod `columns`. All lengths in pixels. */
export interface SheetLayout {
  readonly columns: number;
  /** Size of a picture on the sheet. */
  readonly width: number;
  readonly height: number;
  /** Between pictures, and around them. */
  readonly gap: number;
  /** Side that a pixel of the model's picture has. */
  readonly scale: number;
}

export interface PictureSheet {
  readonly png: Uint8Array;
  readonly layout: SheetLayout;
}

const COLUMNS = 8;
const GAP = 2;
/** Longer side of a picture: larger ones are reduced to the first, smaller ones enlarged without smoothing up to the second. */
const MOST = 128;
const ENLARGED = 64;

/**
 * Puts pictures on one sheet.
 *
 * Shapes: `images`, at least one, each [3, height, width] float32 in [-1, 1].
 */
export function pictureSheet(images: readonly Float32Array[], height: number, width: number): PictureSheet {
  const longer = Math.max(height, width);
  const reduced = (side: number) => Math.max(1, Math.round((side * Math.min(MOST, longer)) / longer));
  const cells = images.map((image) =>
    resample(toRgb8(image, height, width), reduced(height), reduced(width), 'bicubic'),
  );
  const scale = Math.max(1, Math.floor(ENLARGED / longer));
  const columns = Math.min(COLUMNS, images.length);
  const layout = { columns, width: reduced(width) * scale, height: reduced(height) * scale, gap: GAP, scale };
  return { png: encodePng(rgbGrid(cells, columns, { scale, gap: GAP })), layout };
}
