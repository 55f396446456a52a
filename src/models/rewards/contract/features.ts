/** @file Features of pictures: vectors whose cosine measures how alike two pictures are. */

import { TributaryError } from '../../../errors.js';

/** Returns the vector scaled to length 1; a vector of length 0 stays. */
export function toUnitLength(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / (length || 1));
}

/** Returns the rows of a matrix, each scaled to length 1, which not every export of CLIP does. */
export function unitRows(values: Float32Array, rows: number): Float32Array[] {
  const size = values.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    toUnitLength(values.subarray(row * size, (row + 1) * size)),
  );
}

/**
 * Returns the cosine of two vectors of length 1.
 *
 * Errors: TRIB_MODEL if they differ in size: they come from two models.
 */
export function cosine(left: Float32Array, right: Float32Array): number {
  if (left.length !== right.length) {
    throw new TributaryError(
      'TRIB_MODEL',
      `cosine: expected two vectors of one length, got ${left.length} and ${right.length} numbers. Take both halves of the reward model from one export.`,
    );
  }
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += left[i]! * right[i]!;
  return sum;
}

/**
 * Mean distance (1 - cosine) over all pairs of features of length 1: the diversity of pictures of one prompt. 0 for fewer than two.
 * Features that are not finite are left out.
 */
export function meanPairwiseDistance(features: readonly Float32Array[]): number {
  const finite = features.filter((feature) => feature.every(Number.isFinite));
  let [sum, pairs] = [0, 0];
  for (const [index, left] of finite.entries()) {
    for (const right of finite.slice(index + 1)) {
      sum += 1 - cosine(left, right);
      pairs += 1;
    }
  }
  return pairs === 0 ? 0 : sum / pairs;
}
