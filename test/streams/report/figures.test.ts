import { describe, expect, test } from 'vitest';
import {
  stepRanges,
  writeDuration,
  writeNumber,
  writePoints,
  writeScore,
  writeShare,
  writeSigned,
  writeSteps,
} from '../../../src/streams/report/figures.js';

describe('figures', () => {
  test('should write shares, scores and their changes', () => {
    expect(writeShare(0.4382)).toBe('43.8 %');
    expect(writePoints(-0.0214)).toBe('−2.1 points');
    expect(writeScore(-0.0625)).toBe('−0.063');
    expect(writeSigned(0.0615, 3)).toBe('+0.061');
    expect(writeSigned(-0.0001, 3)).toBe('±0.000');
  });

  test('should write what was not measured as a dash', () => {
    expect([writeShare(null), writePoints(null), writeScore(null), writeNumber(null)]).toEqual(
      Array(4).fill('–'),
    );
  });

  test('should write numbers with three digits, large ones whole', () => {
    expect([1234567, 0.4123, 0, 2.1e-7, 1000, 999.6].map(writeNumber)).toEqual([
      '1,234,567',
      '0.412',
      '0',
      '2.10e-7',
      '1,000',
      '1000',
    ]);
  });

  test('should write durations in their two largest units', () => {
    expect([-1, 0.4, 59.4, 59.6, 250, 3600, 7500].map(writeDuration)).toEqual([
      '0 s',
      '0 s',
      '59 s',
      '1 min 0 s',
      '4 min 10 s',
      '1 h 0 min',
      '2 h 5 min',
    ]);
  });
});

test('should join steps without a gap, and keep those with one apart', () => {
  expect(stepRanges([0, 1, 2, 5, 7, 8])).toEqual([
    [0, 3],
    [5, 6],
    [7, 9],
  ]);
  expect([[3, 4, 5], [0, 1, 2, 5], [4], []].map(writeSteps)).toEqual(['3–5', '0–2, 5', '4', '']);
});
