import { SHAPES } from '../prompts/grammar.js';
import { PICTURE_SIZE } from './scene.js';
import { CENTROID_DROP, type PlacedShape, shapeCoverage, UNIT_AREA } from './shape-coverage.js';

/** Sizes tried, relative to the one that follows from the area: soft edges and noise change the area a little. */
const RELATIVE_SIZES = [0.93, 1, 1.07];

/** How well the best shape fits a blob. */
interface ShapeFit extends PlacedShape {
  /** Soft intersection over union of blob and shape, sum min / sum max, in [0, 1]. */
  readonly overlap: number;
}

/** The coverage of one blob over the picture, with its zeroth and first moments. */
export interface Blob {
  /** `[256]` in [0, 1]; 0 outside the blob. */
  readonly coverage: Float32Array;
  /** Sum of the coverage, in pixels. */
  readonly area: number;
  /** Centroid, in pixels; the center of pixel 0 is 0.5. */
  readonly centroidX: number;
  readonly centroidY: number;
}

/**
 * Finds the shape whose drawing overlaps most with a blob. Each candidate's size and place follow from the area and the
 * centroid; the size is then varied a little.
 */
export function fitShape(blob: Blob): ShapeFit {
  let best: ShapeFit | null = null;
  for (const shape of SHAPES) {
    for (const relativeSize of RELATIVE_SIZES) {
      const size = relativeSize * Math.sqrt(blob.area / UNIT_AREA[shape]);
      const placed = {
        shape,
        size,
        centerX: blob.centroidX,
        centerY: blob.centroidY - size * CENTROID_DROP[shape],
      };
      const overlap = softOverlap(blob.coverage, placed);
      if (best === null || overlap > best.overlap) best = { ...placed, overlap };
    }
  }
  return best!;
}

function softOverlap(coverage: Float32Array, placed: PlacedShape): number {
  let intersection = 0;
  let union = 0;
  for (let y = 0; y < PICTURE_SIZE; y++) {
    for (let x = 0; x < PICTURE_SIZE; x++) {
      const own = coverage[y * PICTURE_SIZE + x]!;
      const drawn = isNear(placed, x, y) ? shapeCoverage(placed, x, y) : 0;
      intersection += Math.min(own, drawn);
      union += Math.max(own, drawn);
    }
  }
  return intersection / union;
}

function isNear({ centerX, centerY, size }: PlacedShape, x: number, y: number): boolean {
  const reach = size / 2 + 0.5;
  return Math.abs(x + 0.5 - centerX) < reach && Math.abs(y + 0.5 - centerY) < reach;
}
