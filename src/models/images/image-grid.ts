import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { type Rgb8Image, toRgb8 } from './picture.js';

interface GridLayout {
  /** Side length in pixels that one pixel is enlarged to (nearest neighbor, hard edges); default 4. */
  readonly scale?: number;
  /** White pixels around and between the pictures; default 4. */
  readonly gap?: number;
}

interface ImageGridOptions extends GridLayout {
  /** Size of each picture in pixels. */
  readonly height: number;
  readonly width: number;
}

const GAP_VALUE = 255;

/**
 * Lays pictures out row by row, each enlarged without smoothing.
 *
 * Shapes: `images`, each `[3, height, width] float32` in [-1, 1]; returns 8-bit `[H, W, 3]` with
 * W = columns (width scale + gap) + gap, and H likewise for rows. Cells without a picture stay white.
 *
 * Errors: TRIB_INTERNAL if there is no picture, or columns, scale or gap is not an integer in its range.
 */
export function imageGrid(
  images: readonly Float32Array[],
  columns: number,
  { height, width, ...layout }: ImageGridOptions,
): Rgb8Image {
  return rgbGrid(
    images.map((image) => toRgb8(image, height, width)),
    columns,
    layout,
  );
}

/** Does the same with pictures in 8 bits, all of the size of the first. */
export function rgbGrid(
  cells: readonly Rgb8Image[],
  columns: number,
  { scale = 4, gap = 4 }: GridLayout,
): Rgb8Image {
  requireInteger('images', cells.length, 1);
  requireInteger('columns', columns, 1);
  requireInteger('scale', scale, 1);
  requireInteger('gap', gap, 0);
  const { width, height } = at(cells, 0);
  const rows = Math.ceil(cells.length / columns);
  const gridWidth = columns * (width * scale + gap) + gap;
  const gridHeight = rows * (height * scale + gap) + gap;
  const data = new Uint8Array(gridWidth * gridHeight * 3).fill(GAP_VALUE);
  for (const [index, cell] of cells.entries()) {
    const left = gap + (index % columns) * (width * scale + gap);
    const top = gap + Math.floor(index / columns) * (height * scale + gap);
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const source = (Math.floor(y / scale) * width + Math.floor(x / scale)) * 3;
        const target = ((top + y) * gridWidth + left + x) * 3;
        data.set(cell.data.subarray(source, source + 3), target);
      }
    }
  }
  return { width: gridWidth, height: gridHeight, data };
}

function requireInteger(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  const text = `imageGrid ${name}: expected an integer of at least ${least}, got ${value}. Correct the call.`;
  throw new TributaryError('TRIB_INTERNAL', text);
}
