import { describe, expect, it } from 'vitest';
import { parseExactJson } from '../../../src/models/files/exact-json.js';

describe('parseExactJson', () => {
  it.each(['-0', '[-0.0, {"a": -0e5}]', '{"a": -1e-400}'])(
    'should read %s as what JSON.stringify writes of it',
    (text) => {
      const value = parseExactJson(text);
      expect(parseExactJson(JSON.stringify(value))).toStrictEqual(value);
      expect(JSON.stringify(value)).not.toContain('-');
    },
  );

  it('should leave other numbers and keys as they are', () => {
    const text = '{"__proto__":-1,"a-b":[-0.5,0,"-0"],"c":1e+20}';
    expect(parseExactJson(text)).toStrictEqual(JSON.parse(text));
  });
});
