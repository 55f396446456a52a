import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { firstDifference } from '../../../../src/streams/config/source/first-difference.js';

describe('firstDifference', () => {
  test('should name the place and both values', () => {
    expect(firstDifference({ a: [1, { b: 'x' }] }, { a: [1, { b: 'y' }] })).toEqual({
      path: 'a[1].b',
      left: '"x"',
      right: '"y"',
    });
    expect(firstDifference({ a: 1 }, { a: 1, b: 2 })).toEqual({ path: 'b', left: 'nothing', right: '2' });
    expect(firstDifference({ a: [1] }, { a: { 0: 1 } })).toEqual({
      path: 'a',
      left: '[1]',
      right: '{"0":1}',
    });
  });

  test('should take a key without value for none', () => {
    expect(firstDifference({ a: 1, b: undefined }, { a: 1 })).toBeUndefined();
  });

  test('should find nothing exactly when the JSON texts mean the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const copy: unknown = structuredClone(value);
        expect(firstDifference(value, copy)).toBeUndefined();
        expect(firstDifference({ key: value }, { key: [value] })).toBeDefined();
      }),
    );
  });
});
