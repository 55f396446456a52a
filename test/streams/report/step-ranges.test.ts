import { expect, test } from 'vitest';
import { stepRanges, writeSteps } from '../../../src/streams/report/step-ranges.js';

test('should join steps without a gap, and keep those with one apart', () => {
  expect(stepRanges([0, 1, 2, 5, 7, 8])).toEqual([
    [0, 3],
    [5, 6],
    [7, 9],
  ]);
  expect([[3, 4, 5], [0, 1, 2, 5], [4], []].map(writeSteps)).toEqual(['3–5', '0–2, 5', '4', '']);
});
