import type { Shape } from '../prompts/grammar.js';

/** Sub-samples along each side of a pixel. */
const SAMPLES_PER_SIDE = 4;
const SAMPLE_WEIGHT = 1 / SAMPLES_PER_SIDE ** 2;

/** A shape laid on the pixel grid, where pixel (x, y) covers [x, x + 1) x [y, y + 1) and y points down. */
export interface PlacedShape {
  readonly shape: Shape;
  /** Center of the bounding square, in pixels. */
  readonly centerX: number;
  readonly centerY: number;
  /** Side of the bounding square, in pixels. */
  readonly size: number;
}

/**
 * Returns the share of pixel (x, y) that the shape covers, from 4 x 4 sub-samples.
 *
 * In the unit square |u|, |v| <= 1/2 around the center: square = all of it; circle u² + v² <= 1/4; triangle = the
 * upright isosceles one, |u| <= (v + 1/2) / 2, whose base and height are the size.
 *
 * @returns a multiple of 1/16 in [0, 1].
 */
export function shapeCoverage({ shape, centerX, centerY, size }: PlacedShape, x: number, y: number): number {
  let inside = 0;
  for (let row = 0; row < SAMPLES_PER_SIDE; row++) {
    const v = (y + (row + 0.5) / SAMPLES_PER_SIDE - centerY) / size;
    if (v < -0.5 || v >= 0.5) continue;
    const halfWidth =
      shape === 'square' ? 0.5 : shape === 'circle' ? Math.sqrt(Math.max(0, 0.25 - v * v)) : (v + 0.5) / 2;
    for (let column = 0; column < SAMPLES_PER_SIDE; column++) {
      const u = (x + (column + 0.5) / SAMPLES_PER_SIDE - centerX) / size;
      if (u >= -halfWidth && u < halfWidth) inside++;
    }
  }
  return inside * SAMPLE_WEIGHT;
}

/** Area of a shape of size 1: square 1, circle pi/4, triangle 1/2. */
export const UNIT_AREA: Readonly<Record<Shape, number>> = { circle: Math.PI / 4, square: 1, triangle: 0.5 };

/** How far the centroid lies below the center of the bounding square, for size 1: only the triangle's does, 1/6. */
export const CENTROID_DROP: Readonly<Record<Shape, number>> = { circle: 0, square: 0, triangle: 1 / 6 };
