import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { adapterPlace, between, collect, whole } from '../../../src/cli/input/options.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

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

  test('should read the strength of an adapter, and name one that is no number', async () => {
    const file = join(await temporaryFolder(), 'a.safetensors');
    expect(adapterPlace(`${file}:-0.5`)).toEqual({ path: file, strength: -0.5 });
    expect(adapterPlace(`${file}:x`)).toEqual({ path: `${file}:x`, strength: 1 });
    await writeFile(file, '');
    expect(adapterPlace(file)).toEqual({ path: file, strength: 1 });
    const text = `${file}: expected a strength behind the colon, got "0,8". Write a decimal number, such as ${file}:0.8.`;
    expect(await faultOf(() => adapterPlace(`${file}:0,8`))).toEqual(['TRIB_USAGE', text]);
    await writeFile(`${file}:x`, '');
    expect(adapterPlace(`${file}:x`).path).toBe(`${file}:x`);
  });

  test('should read numbers between bounds and refuse the rest', () => {
    expect(between(0, 100)('2.5')).toBe(2.5);
    for (const text of ['-1', '', 'NaN', 'Infinity', '100.1'])
      expect(() => between(0, 100)(text)).toThrow('Expected a number from 0 to 100.');
  });
});
