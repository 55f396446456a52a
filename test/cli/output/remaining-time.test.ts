import { expect, test } from 'vitest';
import { remainingTime } from '../../../src/cli/output/remaining-time.js';

test('should take the work since the first call as the measure of the rest', () => {
  let seconds = 50;
  const remaining = remainingTime(() => seconds);
  expect(remaining(0.2)).toBeNull();
  seconds += 10;
  expect(remaining(0.4)).toBeCloseTo(30);
  seconds += 30;
  expect(remaining(1)).toBeCloseTo(0);
});
