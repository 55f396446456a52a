import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bar } from '../../../src/cli/output/bar.js';

describe('bar', () => {
  test('should fill by eighths', () => {
    expect(bar(0, 4)).toBe('░░░░');
    expect(bar(0.5, 4)).toBe('██░░');
    expect(bar(17 / 32, 4)).toBe('██▏░');
    expect(bar(1, 4)).toBe('████');
  });

  test('should keep its width for any share', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.integer({ min: 1, max: 60 }), (share, width) => {
        expect(bar(share, width)).toHaveLength(width);
      }),
    );
  });
});
