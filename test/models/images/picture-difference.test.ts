import { describe, expect, it } from 'vitest';
import { pictureDifference } from '../../../src/models/images/picture-difference.js';

const pictures = (...values: number[][]) => values.map((picture) => Float32Array.from(picture));

describe('pictureDifference', () => {
  it.each([
    ['0 where pictures are alike', [[1, -1], [0.5]], [[1, -1], [0.5]], 0],
    [
      'the root mean square over all pictures',
      [
        [1, -1],
        [0.5, 0],
      ],
      [
        [0, -1],
        [0.5, 2],
      ],
      Math.sqrt(5 / 4),
    ],
    ['the least difference of a float32', [[1]], [[1 + 2 ** -23]], 2 ** -23],
    ['NaN where a picture has one', [[Number.NaN]], [[0]], Number.NaN],
    ['0 where there is none', [], [], 0],
  ])('should be %s', (_, left, right, wanted) => {
    expect(pictureDifference(pictures(...left), pictures(...right))).toBe(wanted);
  });
});
