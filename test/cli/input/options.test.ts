import { describe, expect, test } from 'vitest';
import { between, collect, whole } from '../../../src/cli/input/options.js';

describe('options', () => {
  test('should gather repeated values in order', () => {
    expect(collect('b', ['a'])).toEqual(['a', 'b']);
  });

  test('should read whole numbers and refuse the rest', () => {
    expect(whole(1)('12')).toBe(12);
    for (const text of ['0', '1.5', '', ' ', 'x', '1e99'])
      expect(() => whole(1)(text)).toThrow('Expected a whole number of at least 1.');
  });

  test('should read whole numbers up to a bound', () => {
    expect(whole(1, 12)('12')).toBe(12);
    expect(() => whole(1, 12)('13')).toThrow('Expected a whole number from 1 to 12.');
  });

  test('should read numbers between bounds and refuse the rest', () => {
    expect(between(0, 100)('2.5')).toBe(2.5);
    for (const text of ['-1', '', 'NaN', 'Infinity', '100.1'])
      expect(() => between(0, 100)(text)).toThrow('Expected a number from 0 to 100.');
  });
});
