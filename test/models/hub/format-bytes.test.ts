import { expect, test } from 'vitest';
import { formatBytes } from '../../../src/models/hub/fetch-model.js';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 kB'],
  [34_160, '34.2 kB'],
  [999_499, '999 kB'],
  [999_600, '1 MB'],
  [3_438_167_536, '3.44 GB'],
  [9e15, '9 PB'],
])('should write %d bytes as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
