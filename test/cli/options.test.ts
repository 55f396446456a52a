import { describe, expect, test } from 'vitest';
import { collect, notNegative, whole } from '../../src/cli/options.js';

describe('options', () => {
  test('should gather repeated values in order', () => {
    expect(collect('b', ['a'])).toEqual(['a', 'b']);
  });

  test('should read whole numbers and refuse the rest', () => {
    expect(whole(1)('12')).toBe(12);
    for (const text of ['0', '1.5', '', ' ', 'x', '1e99'])
      expect(() => whole(1)(text)).toThrow('Expected a whole number of at least 1.');
  });

  test('should read numbers from 0 and refuse the rest', () => {
    expect(notNegative('2.5')).toBe(2.5);
    for (const text of ['-1', '', 'NaN', 'Infinity'])
      expect(() => notNegative(text)).toThrow('Expected a number of at least 0.');
  });
});
