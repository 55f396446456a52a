/** @file Small pictures on one PNG, for pages that show each by itself. */

import { rgbGrid } from './image-grid.js';
import { encodePng, type Rgb8Image } from './picture.js';
import { resample } from './resample.js';

/** Where the pictures of a sheet are: picture i is in column i mod `columns`. All lengths in pixels. */
export interface SheetLayout {
  readonly columns: number;
  /** Size of a picture on the sheet, or of the cell in whose middle it is, where others are wider or higher. */
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

/** Puts pictures, at least one, on one sheet. All are reduced or enlarged alike. */
export function pictureSheet(pictures: readonly Rgb8Image[]): PictureSheet {
  const longer = Math.max(...pictures.flatMap(({ height, width }) => [height, width]));
  const reduced = (side: number) => Math.max(1, Math.round((side * Math.min(MOST, longer)) / longer));
  const small = pictures.map((one) => resample(one, reduced(one.height), reduced(one.width), 'bicubic'));
  const [width, height] = [
    Math.max(...small.map((one) => one.width)),
    Math.max(...small.map((one) => one.height)),
  ];
  const cells = small.map((one) => inMiddle(one, width, height));
  const scale = Math.max(1, Math.floor(ENLARGED / longer));
  const columns = Math.min(COLUMNS, pictures.length);
  const layout = { columns, width: width * scale, height: height * scale, gap: GAP, scale };
  return { png: encodePng(rgbGrid(cells, columns, { scale, gap: GAP })), layout };
}

/** A picture in the middle of a white one. */
function inMiddle(picture: Rgb8Image, width: number, height: number): Rgb8Image {
  if (picture.width === width && picture.height === height) return picture;
  const data = new Uint8Array(width * height * 3).fill(255);
  const left = Math.floor((width - picture.width) / 2);
  const top = Math.floor((height - picture.height) / 2);
  const row = picture.width * 3;
  for (let y = 0; y < picture.height; y++)
    data.set(picture.data.subarray(y * row, (y + 1) * row), ((top + y) * width + left) * 3);
  return { width, height, data };
}
